"""What a car does on a random day: a list of legs, each a change of the car's state and how long it lasts at most."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random

from demo.enode.physics import (
    CarSpec,
    CarState,
    Power,
    battery_percent,
    park_car,
    start_drive,
    tow_car,
    with_power,
)
from tests.oracle.car_profiles import MAX_DC_KW, MAX_DC_RATE, CarProfile

MINUTE = 60.0
HOUR = 60 * MINUTE

type Change = Callable[[CarSpec, CarState], CarState]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """Something the car does. It ends after `seconds`, or as soon as the drive or the charge ends if `until_done`."""

    name: str
    change: Change
    seconds: float
    until_done: bool = False
    # How Enode sees the car meanwhile: as usual, not at all, or as unreachable.
    contact: str = "usual"


# Consumption with a trailer, as a multiple of that without.
CAR_TRAILER, TRUCK_TRAILER = 2.2, 1.4
MAX_ENGINE_PERCENT = 90.0  # a hybrid's engine keeps room for regeneration
MAX_PLUG_INS_AT_HOME = 2
MAX_PLUG_INS_AWAY = 1


def plan_next(random: Random, profile: CarProfile, state: CarState, plug_ins: int) -> list[Leg]:
    """The legs that a car that is parked and unplugged could do next. `plug_ins` counts those since it last moved.

    A car that is plugged in again and again where it stands can't be told from one that reports UNPLUGGED when full:
    see decision 35.
    """
    percent = battery_percent(profile.spec, state)
    is_home = state.loop_km == 0
    can_plug_in = plug_ins < (MAX_PLUG_INS_AT_HOME if is_home else MAX_PLUG_INS_AWAY)
    choices: list[tuple[float, Callable[[], Iterator[Leg]]]] = [(2, lambda: _park(random))]
    if is_home:
        choices += [
            (4 if can_plug_in else 0, lambda: _charge_at_home(random)),
            (3 if percent > 15 else 0, lambda: _drive(random, profile, state, home=False)),
            (0.7 if can_plug_in and percent > 40 else 0, lambda: _discharge(random, percent)),
            (0.4, lambda: _sleep(random)),
        ]
    else:
        choices += [
            (4 if percent > 8 else 0, lambda: _drive(random, profile, state, home=True)),
            (3 if can_plug_in else 0, lambda: _charge_fast(random, profile)),
            (1 if can_plug_in else 0, lambda: _charge_at_work(random)),
            (0.4 if percent > 5 else 3, lambda: _tow(random)),
        ]
    weights, plans = zip(*choices, strict=True)
    return list(random.choices(plans, weights)[0]())


def _park(random: Random) -> Iterator[Leg]:
    loss = random.choice((0.0, 0.01, 0.05, 0.3))
    yield Leg(name="park", change=_parked_with(loss), seconds=random.uniform(3, 300) * MINUTE)
    if random.random() < 0.3:
        heat = random.uniform(1.5, 7)
        yield Leg(name="precondition", change=_parked_with(heat), seconds=random.uniform(8, 30) * MINUTE)
    yield Leg(name="park", change=_parked_with(0.0), seconds=MINUTE)


def _sleep(random: Random) -> Iterator[Leg]:
    contact = random.choice(("usual", "silent", "unreachable"))
    loss = random.choice((0.0, 0.01, 0.03))
    hours = random.choice((9, 26, 60, 90))
    yield Leg(name="sleep", change=_parked_with(loss), seconds=hours * HOUR, contact=contact)


def _drive(random: Random, profile: CarProfile, state: CarState, *, home: bool) -> Iterator[Leg]:
    spec = profile.spec
    usual = spec.kwh_per_km
    trailer = TRUCK_TRAILER if profile.size == "truck" else CAR_TRAILER
    styles = {"drive": usual, "tow a trailer": usual * trailer, "descend": -usual * 0.8}
    if profile.is_hybrid:
        styles["drive on the engine"] = -0.5 * usual
    name = random.choices(list(styles), [6, 1, 0.7, 2][: len(styles)])[0]
    consumption = styles[name]
    destination = spec.loop_km if home else random.uniform(0.1, 0.9) * spec.loop_km
    if name == "descend":
        destination = min(destination, state.loop_km + random.uniform(3, 12))
    if name == "drive on the engine":
        room_kwh = (MAX_ENGINE_PERCENT - battery_percent(spec, state)) / 100 * spec.battery_kwh
        driven = destination - state.loop_km
        consumption = max(consumption, -max(0.0, room_kwh) / driven) if driven > 0 else 0.0
    yield Leg(
        name=name,
        change=lambda _, state: start_drive(state, destination, kwh_per_km=consumption),
        seconds=8 * HOUR,
        until_done=True,
    )
    yield Leg(name="park", change=_parked_with(0.0), seconds=random.uniform(1, 40) * MINUTE)


def _charge_at_home(random: Random) -> Iterator[Leg]:
    limit, amps = random.choice((60, 80, 80, 90, 100)), random.choice((6, 10, 16, 32))
    smart = random.random() < 0.4
    first = Power.STOPPED if smart else Power.INITIALIZING
    yield Leg(
        name="plug in", change=_plug_in(first, limit, amps), seconds=random.uniform(1, 240 if smart else 2) * MINUTE
    )
    for _ in range(random.choice((0, 0, 1, 2, 4))):
        yield Leg(
            name="charge", change=_to_power(Power.INITIALIZING), seconds=random.uniform(2, 90) * MINUTE, until_done=True
        )
        pause = random.choice((Power.STOPPED, Power.STOPPED, Power.NO_POWER, Power.FAULT))
        yield Leg(name="pause", change=_pause(pause), seconds=random.choice((1, 4, 12, 20, 45, 120)) * MINUTE)
    hours = random.choice((0.3, 1, 3, 8, 12))
    yield Leg(name="charge", change=_to_power(Power.INITIALIZING), seconds=hours * HOUR, until_done=True)
    drain = random.choice((0.0, 0.0, 0.02, 1.0))
    yield Leg(name="stay plugged in", change=_with_drain(drain), seconds=random.uniform(0.5, 200) * MINUTE)
    yield Leg(name="unplug", change=_parked_with(0.0), seconds=random.uniform(1, 30) * MINUTE)


def _charge_at_work(random: Random) -> Iterator[Leg]:
    plug_in = _plug_in(Power.INITIALIZING, random.choice((70, 100)), random.choice((10, 16)))
    yield Leg(name="charge at work", change=plug_in, seconds=random.uniform(0.3, 7) * HOUR, until_done=True)
    yield Leg(name="unplug", change=_parked_with(0.0), seconds=random.uniform(1, 60) * MINUTE)


def _charge_fast(random: Random, profile: CarProfile) -> Iterator[Leg]:
    most = min(MAX_DC_KW, MAX_DC_RATE * profile.spec.battery_kwh)
    kw = round(random.choice((min(50, most), random.uniform(40, most) if most > 40 else most, most)), 1)
    plug_in = _plug_in(Power.INITIALIZING, random.choice((60, 80, 80, 100)), None, dc_kw=kw)
    yield Leg(name=f"DC {kw:g} kW", change=plug_in, seconds=random.uniform(5, 70) * MINUTE, until_done=True)
    yield Leg(name="unplug", change=_parked_with(0.0), seconds=random.uniform(0.3, 10) * MINUTE)


def _discharge(random: Random, percent: float) -> Iterator[Leg]:
    kw = random.choice((1.5, 3.0, 7.0, 11.0))
    yield Leg(name="plug in", change=_plug_in(Power.STOPPED, 80, 16), seconds=random.uniform(1, 60) * MINUTE)
    yield Leg(
        name="discharge",
        change=lambda _, state: with_power(replace(state, discharge_kw=kw), Power.DISCHARGING),
        seconds=random.uniform(0.3, 3) * HOUR,
        until_done=True,
    )
    yield Leg(name="pause", change=_pause(Power.STOPPED), seconds=random.uniform(1, 60) * MINUTE)
    if random.random() < 0.6 and percent < 95:
        charge = _to_power(Power.INITIALIZING)
        yield Leg(name="charge", change=charge, seconds=random.uniform(0.5, 5) * HOUR, until_done=True)
    yield Leg(name="unplug", change=_parked_with(0.0), seconds=random.uniform(1, 30) * MINUTE)


def _tow(random: Random) -> Iterator[Leg]:
    yield Leg(name="carried home", change=lambda _, state: tow_car(state, 0.0), seconds=random.uniform(5, 30) * MINUTE)


def _parked_with(drain_kw: float) -> Change:
    return lambda _, state: replace(park_car(state), drain_kw=drain_kw)


def _with_drain(drain_kw: float) -> Change:
    return lambda _, state: replace(state, drain_kw=drain_kw)


def _plug_in(power: Power, limit: float, amps: float | None, dc_kw: float | None = None) -> Change:
    def change(spec: CarSpec, state: CarState) -> CarState:
        plugged = with_power(replace(state, limit_percent=float(limit), drain_kw=0.0), power)
        return replace(plugged, dc_kw=dc_kw, max_current=amps or state.max_current)

    return change


def _to_power(power: Power) -> Change:
    return lambda _, state: state if state.power in {Power.CHARGING, Power.COMPLETE} else with_power(state, power)


def _pause(power: Power) -> Change:
    """Pause a charge; a complete one stays complete."""
    return lambda _, state: state if state.power is Power.COMPLETE else with_power(state, power)
