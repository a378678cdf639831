"""Cars that report the truth are never corrected, whatever they do, however coarse and rare their reports are."""

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.relay.support.corrected_vehicle import CorrectedVehicle

ESTIMATED = {"chargeRate:estimated"}
"""A rate that the car doesn't report may be estimated: that changes nothing that it said."""


@dataclass(frozen=True)
class Car:
    """A car's properties. `step`: of the level it reports. `places`: whether it reports its position."""

    capacity: float
    max_dc_kw: float
    step: float
    tells_capacity: bool
    tells_rate: bool
    tells_place: bool
    has_fresh_odometer: bool


@dataclass(frozen=True)
class State:
    """Where a car is, and how full."""

    minutes: float = 0.0
    energy: float = 0.0
    km: float = 1000.0
    north: float = 0.0
    odometer_minutes: float = 0.0


@dataclass(frozen=True)
class Activity:
    """What a car does for a while: kW into the battery (less than 0: out of it), km/h, and what it says meanwhile."""

    minutes: int
    every: int
    kw: float = 0.0
    kmh: float = 0.0
    state: str = "UNPLUGGED"
    is_towed: bool = False


cars = st.builds(
    Car,
    capacity=st.sampled_from([10.0, 24.0, 60.0, 108.0, 200.0]),
    max_dc_kw=st.sampled_from([50.0, 250.0, 1000.0]),
    step=st.sampled_from([0.1, 0.5, 1.0, 5.0]),
    tells_capacity=st.booleans(),
    tells_rate=st.booleans(),
    tells_place=st.booleans(),
    has_fresh_odometer=st.booleans(),
)
durations, intervals = st.integers(5, 120), st.sampled_from([2, 5, 7, 10, 30])
parked = st.sampled_from(["UNPLUGGED", "PLUGGED_IN:STOPPED", "PLUGGED_IN:COMPLETE"])
activities = st.one_of(
    st.builds(Activity, minutes=durations, every=intervals, state=parked),
    st.builds(Activity, minutes=st.integers(600, 6000), every=st.just(100_000), kw=st.just(-0.02), state=parked),
    st.builds(
        lambda kmh, kwh_per_km, **others: Activity(kmh=kmh, kw=-kmh * kwh_per_km - 2, **others),
        kmh=st.floats(5, 180),
        kwh_per_km=st.floats(-0.1, 0.35),
        minutes=durations,
        every=intervals,
    ),
    st.builds(Activity, minutes=st.integers(5, 30), every=intervals, kw=st.floats(-12, -3), state=parked),
    st.builds(Activity, minutes=durations, every=intervals, kw=st.floats(1, 43), state=st.just("PLUGGED_IN:CHARGING")),
    st.builds(
        Activity, minutes=st.integers(5, 40), every=intervals, kw=st.just(1e6), state=st.just("PLUGGED_IN:CHARGING")
    ),
    st.builds(
        Activity, minutes=durations, every=intervals, kw=st.floats(-11, -1), state=st.just("PLUGGED_IN:DISCHARGING")
    ),
    st.builds(Activity, minutes=durations, every=intervals, is_towed=st.just(True)),
)


def advance(car, state, activity, minutes):
    """The state after `minutes` of an activity, and the power at its end."""
    # A battery takes at most six times its capacity an hour, and less when it is nearly full.
    limit = min(car.max_dc_kw, 6 * car.capacity) * (1.0 if state.energy < 0.8 * car.capacity else 0.2)
    kw = min(activity.kw, limit)
    energy = min(max(state.energy + kw * minutes / 60, 0.0), car.capacity)
    driven = activity.kmh * minutes / 60
    return replace(
        state,
        minutes=state.minutes + minutes,
        energy=energy,
        km=state.km + driven,
        north=state.north + (driven + (minutes if activity.is_towed else 0)) / 111,
    ), (kw if energy < car.capacity else 0.0)


def tell(vehicle, car, state, activity, kw):
    """Report the truth, as coarsely as this car does."""
    level = round(state.energy / car.capacity * 100 // car.step * car.step, 3)
    if car.has_fresh_odometer or not activity.kmh:
        state = replace(state, odometer_minutes=state.minutes)
    is_active = activity.state in {"PLUGGED_IN:CHARGING", "PLUGGED_IN:DISCHARGING"} and kw
    delivery = "PLUGGED_IN:COMPLETE" if activity.state == "PLUGGED_IN:CHARGING" and not kw else activity.state
    vehicle.report_charge(
        delivery,
        state.minutes,
        level=level,
        km=state.km // 1,
        place=(40 + state.north % 40, 5.0) if car.tells_place else (None, None),
        range=state.energy * 6 // 1,
        batteryCapacity=car.capacity if car.tells_capacity else None,
        chargeRate=round(kw, 1) if is_active and car.tells_rate and kw > 0 else None,
    )
    return state


@settings(max_examples=40)
@given(cars, st.floats(0.05, 0.95), st.lists(activities, min_size=1, max_size=5))
def test_truth_is_never_corrected(car, start, day):
    vehicle, state = CorrectedVehicle(vendor="VOLVO"), State(energy=car.capacity * start)
    for activity in day:
        if activity.kw < 0 and state.energy < 0.1 * car.capacity:
            continue
        remaining = activity.minutes
        while remaining > 0:
            # A change is reported soon; then reports come at intervals, of ten minutes at most while it charges fast.
            is_new = remaining == activity.minutes
            minutes = min(remaining, 1 if is_new else activity.every, 10 if activity.kw > 100 else 100_000)
            remaining -= minutes
            state, kw = advance(car, state, activity, minutes)
            state = tell(vehicle, car, state, activity, kw)
            assert set(vehicle.corrected.names) <= ESTIMATED
