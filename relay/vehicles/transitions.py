"""Detect transitions of a vehicle (plugged in, charging started, …) from its last known and new state. Pure."""

from collections.abc import Callable
from dataclasses import replace

from relay.gateways.enode.json_fields import parse_object
from relay.kit.json_object import JsonObject
from relay.vehicles.models import ChargeFlags
from relay.vehicles.plausibility.raw_samples import COMPLETE, FAULT, is_known_state, parse_charge_members

type TransitionRule = Callable[[ChargeFlags, ChargeFlags], bool]

# In the order in which they can have happened. Charging ends in one of three ways: completed, by a fault, or stopped.
RULES: tuple[tuple[str, TransitionRule], ...] = (
    ("plugged_in", lambda was, now: was.plugged_in is False and now.plugged_in is True),
    ("charging_started", lambda was, now: was.charging is False and now.charging is True),
    ("charging_fault", lambda was, now: was.fault is False and now.fault is True),
    ("charging_completed", lambda was, now: _has_stopped_charging(was, now) and now.fault is not True and now.complete),
    (
        "charging_stopped",
        lambda was, now: _has_stopped_charging(was, now) and now.fault is not True and not now.complete,
    ),
    ("unplugged", lambda was, now: was.plugged_in is True and now.plugged_in is False),
)


def parse_charge_flags(vehicle: JsonObject) -> ChargeFlags:
    """The charge flags in Enode's vehicle object. States other than UNPLUGGED and PLUGGED_IN:* count as UNKNOWN."""
    charge = parse_charge_members(parse_object(vehicle, "chargeState") or {})
    is_known = charge.state is not None and is_known_state(charge.state)
    return ChargeFlags(
        plugged_in=charge.is_plugged_in,
        charging=charge.is_charging,
        fault=charge.state == FAULT if is_known else None,
        complete=charge.state == COMPLETE or charge.full is True,
    )


def retain_known_flags(last_known: ChargeFlags, now: ChargeFlags) -> ChargeFlags:
    """`now` with unknown flags taken from `last_known`, so that unknown states in between hide no transition."""
    return replace(
        now,
        plugged_in=_get_first_known(now.plugged_in, last_known.plugged_in),
        charging=_get_first_known(now.charging, last_known.charging),
        fault=_get_first_known(now.fault, last_known.fault),
    )


def detect_transitions(last_known: ChargeFlags, now: ChargeFlags) -> tuple[str, ...]:
    """The kinds of transitions between two states. None for a vehicle seen for the first time."""
    return tuple(kind for kind, happened in RULES if happened(last_known, now))


def _has_stopped_charging(was: ChargeFlags, now: ChargeFlags) -> bool:
    return was.charging is True and now.charging is False


def _get_first_known(value: bool | None, fallback: bool | None) -> bool | None:  # noqa: FBT001 - values, not options
    return fallback if value is None else value
