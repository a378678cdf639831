"""Values that no vehicle can have become unknown: a table of ranges. Pure functions."""

from dataclasses import replace

from relay.vehicles.plausibility.raw_samples import MEMBER_NAMES, ChargeMembers

MAX_POWER_KW = 1100.0
"""The Megawatt Charging System ends at 3.75 MW in theory; cars charge with 1,000 kW at most (BYD, 2025)."""
MAX_CAPACITY_KWH = 2000.0
MAX_RANGE_KM = 3000.0
MAX_MINUTES_LEFT = 7 * 24 * 60.0
"""A week: a truck at a household socket."""

RANGES: tuple[tuple[str, float, float], ...] = (
    ("level", 0.0, 100.0),
    ("range_km", 0.0, MAX_RANGE_KM),
    ("capacity", 0.1, MAX_CAPACITY_KWH),
    ("limit", 0.0, 100.0),
    ("minutes_left", 0.0, MAX_MINUTES_LEFT),
    ("rate", -MAX_POWER_KW, MAX_POWER_KW),
)
"""Members with their smallest and greatest possible value."""


def remove_impossible_values(charge: ChargeMembers) -> tuple[ChargeMembers, tuple[str, ...]]:
    """`charge` without values outside of their range, and the names of the rules that removed one."""
    impossible = [
        name
        for name, lowest, highest in RANGES
        if (value := getattr(charge, name)) is not None and not lowest <= value <= highest
    ]
    if not impossible:
        return charge, ()
    return replace(charge, **dict.fromkeys(impossible)), tuple(
        f"{MEMBER_NAMES[name]}:outOfRange" for name in impossible
    )
