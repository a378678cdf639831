"""The kinds of faults. Each is applied by itself, so that a failure has one cause."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from random import Random

from tests.oracle.activities import HOUR
from tests.oracle.days import Day, Poll
from tests.oracle.fault_edits import (
    UNPLUGGED,
    Change,
    Faulted,
    apply_battery_swap,
    apply_from_on,
    apply_nulls_while_unreachable,
    apply_short_flicker,
    apply_stale_power,
    apply_to_all,
    apply_to_some,
    apply_unplugged_when_full,
    apply_wrong_level,
    apply_zero_level_while,
    edit,
    get_charge,
    is_at_rest,
    is_charging,
    is_discharging,
    is_parked_unplugged,
    is_plugged_in,
    is_reachable,
    is_stopped,
    tells_odometer,
    tells_place,
    tells_power,
)

type Apply = Callable[[Random, Day], Faulted | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A kind of fault, and what of a day's result it may affect. By default it may affect nothing."""

    kind: str
    apply: Apply | None = field(default=None, repr=False)
    # The told power isn't true: energy is checked against the level.
    power: bool = False
    # All three flags agree on the wrong value, so nobody can know better: users may see it, with transitions.
    flags: bool = False
    # Users may see unknown values.
    unknown: bool = False
    # Users may see other levels, because the faulty ones can't be told from true ones.
    level: bool = False
    # Counters may count what turns out to be a fault later: they never fall. Sessions must be right in the end.
    counters: bool = False


def _set(**members: object) -> Change:
    return lambda _, poll: edit(poll, chargeState=members)


def _set_impossible_level(random: Random, poll: Poll) -> Poll:
    return edit(poll, chargeState={"batteryLevel": random.choice((-1, 127, 255, 655.35))})


def _scale_power(factor: float) -> Change:
    return lambda _, poll: edit(poll, chargeState={"chargeRate": get_charge(poll)["chargeRate"] * factor})


def _set_odometer(function: Callable[[float], float | None]) -> Change:
    return lambda _, poll: edit(poll, odometer={"distance": function(poll.view["odometer"]["distance"])})


def _shift(group: str, least: float, most: float) -> Change:
    return lambda random, poll: edit(poll, stamps={group: poll.at + random.uniform(least, most)})


def _created_later(random: Random, poll: Poll) -> Poll:
    return edit(poll, created_at=poll.at + random.uniform(0.2, 48) * HOUR)


def _created_earlier(random: Random, poll: Poll) -> Poll:
    return edit(poll, created_at=poll.at - random.uniform(0.2, 24) * HOUR)


def _iterate_level_faults() -> Iterator[Fault]:
    for value in ("zero", "lower", "higher"):
        for hours in (False, True):
            for plugged in (False, True):
                kind = f"level {value} {'for hours' if hours else 'once'}, {'plugged in' if plugged else 'unplugged'}"
                apply = partial(apply_wrong_level, value=value, hours=hours, plugged=plugged)
                # A rise is possible until the level falls again: a charge, or a swapped battery.
                is_possible = value == "higher"
                yield Fault(kind=kind, apply=apply, level=is_possible, counters=is_possible)


_PAUSED = {"isPluggedIn": True, "isCharging": False, "powerDeliveryState": "PLUGGED_IN:STOPPED"}
_CHARGING = {"isCharging": True, "chargeRate": 9.0, "powerDeliveryState": "PLUGGED_IN:CHARGING"}
_STOPPED_RATE = {"chargeRate": None, "chargeTimeRemaining": None}


_some = partial(partial, apply_to_some)
_all = partial(partial, apply_to_all)
_flicker = partial(partial, apply_short_flicker)

NO_FAULT = Fault(kind="no fault")
NOTHING_FAULTED = Faulted(polls=[], indexes=frozenset())
FAULTS: dict[str, Fault] = {
    fault.kind: fault
    for fault in (
        *_iterate_level_faults(),
        Fault(kind="level zero once, driving", apply=partial(apply_zero_level_while, driving=True), level=True),
        Fault(kind="level zero once, charging", apply=partial(apply_zero_level_while, driving=False)),
        Fault(
            kind="level out of range once",
            apply=_some(matches=is_at_rest, change=_set_impossible_level),
            unknown=True,
        ),
        Fault(
            kind="isPluggedIn flickers",
            apply=_flicker(matches=is_plugged_in, change=_set(isPluggedIn=False)),
            flags=True,
        ),
        Fault(kind="isCharging flickers off", apply=_some(matches=is_charging, change=_set(isCharging=False), times=3)),
        Fault(
            kind="isCharging flickers on, plugged in",
            apply=_some(matches=is_stopped, change=_set(isCharging=True), times=3),
        ),
        Fault(
            kind="isCharging flickers on, unplugged",
            apply=_some(matches=is_parked_unplugged, change=_set(isCharging=True), times=3),
        ),
        Fault(
            kind="charging for hours, unplugged and level constant",
            apply=_some(matches=is_parked_unplugged, change=_set(isCharging=True, chargeRate=3.7), seconds=1.5 * HOUR),
        ),
        Fault(
            kind="state CHARGING for hours, unplugged and level constant",
            apply=_some(matches=is_parked_unplugged, change=_set(**_CHARGING), seconds=1.5 * HOUR),
        ),
        Fault(
            kind="unplugged flickers, charging",
            apply=_flicker(matches=is_charging, change=_set(**UNPLUGGED, **_STOPPED_RATE)),
            flags=True,
        ),
        Fault(
            kind="unplugged flickers, plugged in",
            apply=_flicker(matches=is_stopped, change=_set(**UNPLUGGED)),
            flags=True,
        ),
        Fault(
            kind="stopped flickers, charging",
            apply=_some(matches=is_charging, change=_set(**_PAUSED, **_STOPPED_RATE)),
            flags=True,
        ),
        Fault(
            kind="state unknown once",
            apply=_some(
                matches=is_reachable,
                change=_set(
                    isPluggedIn=None,
                    isCharging=None,
                    isFullyCharged=None,
                    powerDeliveryState="UNKNOWN",
                    **_STOPPED_RATE,
                ),
                times=3,
            ),
            unknown=True,
        ),
        Fault(kind="isCharging while discharging", apply=_all(matches=is_discharging, change=_set(isCharging=True))),
        Fault(
            kind="charging with a rate while discharging",
            apply=_all(matches=is_discharging, change=_set(isCharging=True, chargeRate=7.0)),
        ),
        Fault(kind="power in watts", apply=_all(matches=tells_power, change=_scale_power(1000)), power=True),
        Fault(kind="power in watts once", apply=_some(matches=tells_power, change=_scale_power(1000)), power=True),
        Fault(kind="power ten times too high", apply=_all(matches=tells_power, change=_scale_power(10)), power=True),
        Fault(
            kind="power ten times too high once",
            apply=_some(matches=tells_power, change=_scale_power(10)),
            power=True,
        ),
        Fault(kind="power stale after the charge", apply=apply_stale_power),
        Fault(
            kind="power null for half an hour",
            apply=_some(matches=tells_power, change=_set(chargeRate=None), seconds=0.5 * HOUR, times=2),
            power=True,
        ),
        Fault(
            kind="chargeState.lastUpdated in the future",
            apply=_some(matches=is_reachable, change=_shift("chargeState", 0.2 * HOUR, 48 * HOUR), times=3),
        ),
        Fault(
            kind="chargeState.lastUpdated in the past",
            apply=_some(matches=is_reachable, change=_shift("chargeState", -24 * HOUR, -0.5 * HOUR)),
            flags=True,
            level=True,
        ),
        Fault(
            kind="lastSeen in the future",
            apply=_some(matches=is_reachable, change=_shift("lastSeen", 0.2 * HOUR, 48 * HOUR), times=3),
        ),
        Fault(kind="createdAt in the future", apply=_some(matches=is_reachable, change=_created_later)),
        Fault(kind="odometer zero once", apply=_some(matches=tells_odometer, change=_set_odometer(lambda _: 0))),
        Fault(
            kind="odometer zero for hours",
            apply=_some(matches=tells_odometer, change=_set_odometer(lambda _: 0), seconds=2 * HOUR),
        ),
        Fault(
            kind="odometer negative",
            apply=_some(matches=tells_odometer, change=_set_odometer(lambda _: -1)),
            unknown=True,
        ),
        Fault(
            kind="odometer far too high once",
            apply=_some(matches=tells_odometer, change=_set_odometer(lambda km: km + 429_496)),
        ),
        Fault(
            kind="odometer in miles once",
            apply=_some(matches=tells_odometer, change=_set_odometer(lambda km: int(km / 1.609344))),
        ),
        Fault(
            kind="odometer in miles from now on",
            apply=partial(apply_from_on, matches=tells_odometer, change=_set_odometer(lambda km: int(km / 1.609344))),
        ),
        Fault(kind="battery swap", apply=apply_battery_swap, level=True),
        Fault(kind="unplugged when full", apply=partial(apply_unplugged_when_full, charger=None), flags=True),
        Fault(kind="unplugged when full, charger known", apply=partial(apply_unplugged_when_full, charger="charger")),
        Fault(
            kind="capacity zero once",
            apply=_some(matches=is_reachable, change=_set(batteryCapacity=0), times=3),
        ),
        Fault(
            kind="limit and range negative once",
            apply=_some(matches=is_reachable, change=_set(chargeLimit=-1, range=-1), times=3),
        ),
        Fault(
            kind="power negative once", apply=_some(matches=tells_power, change=_scale_power(-1), times=3), power=True
        ),
        Fault(
            kind="createdAt in the past",
            apply=_some(matches=is_reachable, change=_created_earlier),
            flags=True,
            level=True,
        ),
        Fault(kind="null values while unreachable", apply=apply_nulls_while_unreachable),
        Fault(
            kind="coordinates 0/0",
            apply=_some(
                matches=tells_place,
                change=lambda _, poll: edit(poll, location={"latitude": 0, "longitude": 0}),
                seconds=0.5 * HOUR,
            ),
            unknown=True,
        ),
    )
}
