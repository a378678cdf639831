"""What happened to a car, told from what was last known of it and what it says now."""

from collections.abc import Callable
from dataclasses import replace

from relay.gateways.enode.fields import flag, member, text
from relay.vehicles.models import Charge, Json

PLUGGED_IN = "PLUGGED_IN:"

type Rule = Callable[[Charge, Charge], bool]

# In the order in which they can have happened. Charging ends in one of three ways: at its goal, by a fault, or stopped.
RULES: tuple[tuple[str, Rule], ...] = (
    ("plugged_in", lambda was, now: was.plugged_in is False and now.plugged_in is True),
    ("charging_started", lambda was, now: was.charging is False and now.charging is True),
    ("charging_fault", lambda was, now: was.fault is False and now.fault is True),
    ("charging_completed", lambda was, now: _ended(was, now) and now.fault is not True and now.complete),
    ("charging_stopped", lambda was, now: _ended(was, now) and now.fault is not True and not now.complete),
    ("unplugged", lambda was, now: was.plugged_in is True and now.plugged_in is False),
)


def read_charge(vehicle: Json) -> Charge:
    """What Enode's vehicle object says. Words that we do not know, and UNKNOWN, say nothing."""
    group = member(vehicle, "chargeState") or {}
    delivery = text(group, "powerDeliveryState") or "UNKNOWN"
    known = delivery == "UNPLUGGED" or delivery.startswith(PLUGGED_IN)
    plugged_in = _first(flag(group, "isPluggedIn"), delivery.startswith(PLUGGED_IN) if known else None)
    charging = _first(flag(group, "isCharging"), delivery == "PLUGGED_IN:CHARGING" if known else None)
    return Charge(
        plugged_in=plugged_in,
        charging=False if charging is None and plugged_in is False else charging,
        fault=delivery == "PLUGGED_IN:FAULT" if known else None,
        complete=delivery == "PLUGGED_IN:COMPLETE" or flag(group, "isFullyCharged") is True,
    )


def remember(last_known: Charge, now: Charge) -> Charge:
    """What is known after `now`: a spell of unknowns between two states must hide no transition."""
    return replace(
        now,
        plugged_in=_first(now.plugged_in, last_known.plugged_in),
        charging=_first(now.charging, last_known.charging),
        fault=_first(now.fault, last_known.fault),
    )


def transitions(last_known: Charge, now: Charge) -> tuple[str, ...]:
    """What must have happened in between. Nothing for a car that is seen for the first time."""
    return tuple(kind for kind, happened in RULES if happened(last_known, now))


def _ended(was: Charge, now: Charge) -> bool:
    return was.charging is True and now.charging is False


def _first(value: bool | None, otherwise: bool | None) -> bool | None:  # noqa: FBT001 - the facts themselves
    return otherwise if value is None else value
