"""The plausibility stage: checks each report of a vehicle, and corrects what can't be true. Pure functions.

`check_sample` takes the memory of the samples before and a raw sample, and returns the new memory, which has the
checked values and the names of the rules that changed something (docs/corrections.md describes each of them).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated

from pydantic import Field

from relay.vehicles.charging.samples import ChargeReading, ChargingSample
from relay.vehicles.models import GroupVersion
from relay.vehicles.plausibility.charge_rate import (
    RATE_OUT_OF_RANGE,
    EstimateMemory,
    FastCharge,
    convert_watts,
    is_rate_disproved,
    is_rate_in_watts,
    remove_stale_companions,
    update_estimate,
    update_fast_charge,
)
from relay.vehicles.plausibility.contradictions import ClaimMemory, resolve_contradictions
from relay.vehicles.plausibility.false_unplugged import PlugMemory, correct_false_unplugged, get_named_charger
from relay.vehicles.plausibility.level import LevelMemory, LevelVerdict, check_level
from relay.vehicles.plausibility.level_points import COARSE_STEP, make_point
from relay.vehicles.plausibility.movement import Position, get_position
from relay.vehicles.plausibility.ranges import remove_impossible_values
from relay.vehicles.plausibility.raw_samples import MEMBER_NAMES, ChargeMembers, RawSample, complete_charge

HELD_PLUG = "powerDeliveryState:held"
HELD_LEVEL = "batteryLevel:held"
HELD_RANGE = "range:held"
ESTIMATED_RATE = "chargeRate:estimated"


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedCharge:
    """The charge state at a moment after all checks, and the names of the rules that changed it."""

    charge: ChargeMembers = field(default_factory=ChargeMembers)
    discharging: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PlausibilityMemory:
    """All that checking the next sample needs. Stored as JSON in `vehicle_energy`: don't rename its keys.

    `checked`, whose key is `belief`, is what is shown of the sample `last`; `released` is what would be shown if its
    level weren't held.
    """

    last: RawSample | None = None
    checked: Annotated[CheckedCharge, Field(alias="belief")] = field(default_factory=CheckedCharge)
    released: CheckedCharge | None = None
    held_since: datetime | None = None
    position: Position | None = field(default=None, repr=False)
    levels: LevelMemory = field(default_factory=LevelMemory)
    plug: PlugMemory = field(default_factory=PlugMemory)
    claim: ClaimMemory | None = None
    estimate: EstimateMemory | None = None
    rates_in_watts: bool = False
    fast_charge: FastCharge | None = None

    def describes(self, at: datetime, version: GroupVersion) -> bool:
        """Whether the newest sample is the charge state of this time and event."""
        return self.last is not None and self.last.at == at and self.last.version == version


def check_samples(
    memory: PlausibilityMemory, samples: Iterable[RawSample]
) -> tuple[PlausibilityMemory, list[ChargingSample]]:
    """The memory after all of `samples`, which are in order of time, and each of them as checked."""
    checked = []
    for sample in samples:
        memory, charging_sample = check_sample(memory, sample)
        checked.append(charging_sample)
    return memory, checked


def check_sample(memory: PlausibilityMemory, sample: RawSample) -> tuple[PlausibilityMemory, ChargingSample]:
    """The memory after `sample`, which is newer than those before, and the sample as checked."""
    charge, names, fast_charge = _correct_rate(memory, sample)
    position = get_position(sample, memory.position, plugged_in=charge.is_plugged_in)
    point = make_point(charge, position)
    verdict = LevelVerdict(memory=memory.levels) if point is None else check_level(memory.levels, point, sample.vendor)
    resolved = _resolve_flags(memory, sample, _replace_held_level(charge, verdict), position)
    estimate = update_estimate(memory.estimate, sample.at, resolved.charge)
    rates_in_watts = memory.rates_in_watts
    if not rates_in_watts and estimate and is_rate_in_watts(sample.charge.rate, estimate.get_current_rate(sample.at)):
        rates_in_watts = True
        resolved, names = _convert_first_watts(resolved, names, sample)
    shown, companion_names = _complete_rate(resolved.charge, estimate, sample.at, discharging=resolved.discharging)
    released = CheckedCharge(
        charge=replace(shown, level=charge.level),
        discharging=resolved.discharging,
        names=(*names, *resolved.names, *companion_names),
    )
    checked = _hold_charge(memory.checked, released, verdict) if verdict.is_held else released
    reading = _build_reading(checked, released, resolved.charge.rate, verdict)
    if sample.is_incomplete:
        checked, released = (_complete(charge, memory.checked) for charge in (checked, released))
    updated = PlausibilityMemory(
        last=sample,
        checked=checked,
        released=released if verdict.is_held else None,
        held_since=verdict.held_since,
        position=replace(position, is_late=position.is_late or verdict.is_place_late),
        levels=verdict.memory,
        plug=resolved.plug,
        claim=resolved.claim,
        estimate=estimate,
        rates_in_watts=rates_in_watts,
        fast_charge=fast_charge,
    )
    return updated, ChargingSample(
        at=sample.at,
        reading=reading,
        version=sample.version,
        place=sample.place,
        place_version=sample.place_version,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _ResolvedFlags:
    """The charge state with flags that agree, and what to remember of it."""

    charge: ChargeMembers
    discharging: bool
    names: tuple[str, ...]
    plug: PlugMemory
    claim: ClaimMemory | None


def _resolve_flags(
    memory: PlausibilityMemory, sample: RawSample, charge: ChargeMembers, position: Position
) -> _ResolvedFlags:
    charger = get_named_charger(sample, memory.last)
    held, plug = correct_false_unplugged(memory.plug, charge, position, vendor=sample.vendor, charger=charger)
    resolved = resolve_contradictions(
        memory.claim, held, position, has_charger=sample.has_charger, step=memory.levels.step
    )
    return _ResolvedFlags(
        charge=resolved.charge,
        discharging=resolved.discharging,
        names=resolved.names if held is charge else (HELD_PLUG, *resolved.names),
        plug=plug,
        claim=resolved.memory,
    )


def _replace_held_level(charge: ChargeMembers, verdict: LevelVerdict) -> ChargeMembers:
    """`charge` with the last accepted level instead of a held one, which proves nothing."""
    last = verdict.memory.last
    return replace(charge, level=last.level) if verdict.is_held and last is not None else charge


def _correct_rate(
    memory: PlausibilityMemory, sample: RawSample
) -> tuple[ChargeMembers, tuple[str, ...], FastCharge | None]:
    """The charge state without impossible values. A rate that the level disproves is unknown, too."""
    charge, rate_names = convert_watts(sample.charge) if memory.rates_in_watts else (sample.charge, ())
    charge, names = remove_impossible_values(charge)
    fast_charge = update_fast_charge(memory.fast_charge, sample.at, charge)
    if is_rate_disproved(fast_charge, sample.at, charge, memory.levels.step or COARSE_STEP):
        charge, names = replace(charge, rate=None), (*names, RATE_OUT_OF_RANGE)
    return charge, (*rate_names, *names), fast_charge


def _convert_first_watts(
    resolved: _ResolvedFlags, names: tuple[str, ...], sample: RawSample
) -> tuple[_ResolvedFlags, tuple[str, ...]]:
    """The same with the rate of this sample in kilowatts, now that the level has shown that it is in watts."""
    converted, rate_names = convert_watts(sample.charge)
    kept = tuple(name for name in names if name != RATE_OUT_OF_RANGE)
    return replace(resolved, charge=replace(resolved.charge, rate=converted.rate)), (*rate_names, *kept)


def _complete_rate(
    charge: ChargeMembers, estimate: EstimateMemory | None, at: datetime, *, discharging: bool
) -> tuple[ChargeMembers, tuple[str, ...]]:
    """Estimate a rate that is missing; remove what is stale while the vehicle doesn't charge."""
    shown, names = remove_stale_companions(charge, charging=charge.is_charging and not discharging)
    if estimate is None or shown.rate is not None:
        return shown, names
    rate = estimate.get_current_rate(at)
    return (shown, names) if rate is None else (replace(shown, rate=rate), (*names, ESTIMATED_RATE))


def _hold_charge(before: CheckedCharge, released: CheckedCharge, verdict: LevelVerdict) -> CheckedCharge:
    """What is shown while the level is held: the level before, and after a fall all of the state before.

    A fault that zeroes the level often zeroes the rest. A vehicle that reports charging or discharging keeps its flags.
    """
    hold = verdict.memory.hold
    last = verdict.memory.last
    if hold is None or last is None:
        return released
    held = replace(released.charge, level=last.level, range_km=before.charge.range_km)
    is_active = released.charge.is_charging or released.discharging
    discharging = released.discharging
    if hold.is_fall and not is_active:
        discharging = before.discharging
        held = replace(
            held,
            state=before.charge.state,
            plugged_in=before.charge.plugged_in,
            charging=before.charge.charging,
            full=before.charge.full,
            rate=before.charge.rate,
            minutes_left=before.charge.minutes_left,
        )
    names = tuple(name for name in released.names if not name.startswith(("batteryLevel:", "range:")))
    names += (HELD_LEVEL,) if held.level != released.charge.level else ()
    names += (HELD_RANGE,) if held.range_km != released.charge.range_km else ()
    return CheckedCharge(charge=held, discharging=discharging, names=names)


def _complete(checked: CheckedCharge, before: CheckedCharge) -> CheckedCharge:
    """What is shown of an incomplete report: what it doesn't know is as it was before, with its corrections."""
    charge = complete_charge(checked.charge, before.charge)
    kept = {MEMBER_NAMES[name] for name in MEMBER_NAMES if getattr(charge, name) != getattr(checked.charge, name)}
    names = (name for name in before.names if name.partition(":")[0] in kept)
    discharging = before.discharging if MEMBER_NAMES["state"] in kept else checked.discharging
    return CheckedCharge(charge=charge, discharging=discharging, names=tuple(dict.fromkeys((*checked.names, *names))))


def _build_reading(
    checked: CheckedCharge, released: CheckedCharge, rate: float | None, verdict: LevelVerdict
) -> ChargeReading:
    """The reading for the charging history.

    A rate that was estimated from the level, or is that of the report before a fault, isn't a measured power.
    """
    charge = checked.charge
    charging = False if checked.discharging else charge.is_charging
    is_measured = released.charge.is_charging is True and ESTIMATED_RATE not in checked.names
    power = charge.rate if is_measured else None
    return ChargeReading(
        charging=charging,
        discharging=checked.discharging if charging is not None or checked.discharging else None,
        plugged_in=charge.is_plugged_in,
        soc=charge.level,
        power_kw=power if charging and power is not None and power > 0 else None,
        discharge_kw=abs(rate) if checked.discharging and rate else None,
        capacity_kwh=charge.capacity,
        step=verdict.memory.step,
        rebased=verdict.rebased,
        returned=verdict.returned,
    )
