"""The physical car, whatever is done to it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.enode.activities import Activity, Wish, change
from demo.enode.catalogue import MODELS
from demo.enode.physics import (
    Build,
    CarState,
    Power,
    advance,
    charge_rate,
    drive,
    full_power,
    level,
    minutes_to_limit,
    switch,
    with_level,
)
from demo.enode.routine import Stage, live
from demo.enode.world import Car

builds = st.sampled_from([it.build for it in MODELS.values()])
relaxed = settings(deadline=None, max_examples=60)  # other work on the machine must not fail a property
seconds = st.floats(0, 6 * 3600, allow_subnormal=False)


@st.composite
def cars(draw: st.DrawFn) -> tuple[Build, CarState]:
    """Any car in any state."""
    build = draw(builds)
    state = CarState(
        energy_kwh=0,
        odometer_km=draw(st.floats(0, 500_000)),
        limit_percent=draw(st.floats(1, 100)),
        max_current=draw(st.floats(1, 64)),
        loop_km=draw(st.floats(0, build.loop_km * 0.999)),
        power=draw(st.sampled_from(Power)),
        power_seconds=draw(st.floats(0, 100)),
    )
    state = with_level(build, state, draw(st.floats(0, 100)))
    going = draw(st.booleans())
    return build, drive(state, draw(st.none() | st.just(build.loop_km))) if going else state


@relaxed
@given(cars(), seconds)
def test_energy_and_odometer_keep_within_what_is_possible(car: tuple[Build, CarState], passing: float):
    build, before = car
    after = advance(build, before, passing)
    assert 0 <= level(build, after) <= 100 + 1e-9
    assert after.odometer_km >= before.odometer_km
    assert 0 <= after.loop_km < build.loop_km


@relaxed
@given(cars(), seconds)
def test_only_driving_uses_and_only_charging_gives_energy(car: tuple[Build, CarState], passing: float):
    build, before = car
    after = advance(build, before, passing)
    gained = after.energy_kwh - before.energy_kwh
    driven = after.odometer_km - before.odometer_km
    if before.driving:
        assert gained == pytest.approx(-driven * build.kwh_per_km, abs=1e-6)
    else:
        assert driven == 0
        flows = {Power.INITIALIZING, Power.CHARGING, Power.COMPLETE, Power.DISCHARGING}
        assert gained == 0 or before.power in flows
        assert gained <= full_power(build, before) * passing / 3600 + 1e-6


@relaxed
@given(cars(), seconds)
def test_a_charge_never_passes_the_limit_and_ends_there(car: tuple[Build, CarState], passing: float):
    build, state = car
    before = switch(replace(state, driving=False), Power.CHARGING)
    after = advance(build, before, passing)
    ceiling = max(level(build, before), before.limit_percent)
    assert level(build, before) - 1e-9 <= level(build, after) <= ceiling + 1e-9
    if after.power is Power.COMPLETE:
        assert level(build, after) >= before.limit_percent - 1e-9
    assert charge_rate(build, after) <= full_power(build, after) + 1e-9


@relaxed
@given(cars())
def test_the_announced_time_is_the_time_it_takes(car: tuple[Build, CarState]):
    build, state = car
    state = switch(replace(state, driving=False, max_current=max(6.0, state.max_current)), Power.CHARGING)
    minutes = minutes_to_limit(build, state)
    assert advance(build, state, minutes * 60 * 1.02 + 60).power is Power.COMPLETE
    if minutes > 5:
        assert advance(build, state, minutes * 60 * 0.95 - 60).power is Power.CHARGING


@relaxed
@given(cars(), st.lists(st.floats(0.01, 900), min_size=1, max_size=8))
def test_many_short_times_are_one_long_time(car: tuple[Build, CarState], parts: list[float]):
    build, state = car
    whole = advance(build, state, sum(parts))
    for part in parts:
        state = advance(build, state, part)
    # Steps fall differently, and a step is what the handshake and the taper are known to.
    assert level(build, state) == pytest.approx(level(build, whole), abs=0.6)
    assert state.odometer_km == pytest.approx(whole.odometer_km, abs=1e-6)


@relaxed
@given(st.sampled_from([*MODELS.values()]), st.lists(st.tuples(st.sampled_from(Activity), seconds), max_size=12))
def test_no_life_breaks_a_car(model, commands: list[tuple[Activity, float]]):
    state = CarState(energy_kwh=20, odometer_km=1000, limit_percent=80, max_current=16)
    car = Car(key="k", model_key=model.key, vin="v", state=state, stage=Stage.AT_HOME)
    for activity, passing in commands:
        before = car.state.odometer_km
        car = change(car, Wish(activity=activity))
        assert not (car.state.driving and car.state.power.plugged_in)
        car = replace(car, state=advance(model.build, car.state, passing))
        assert car.state.odometer_km >= before
        assert 0 <= level(model.build, car.state) <= 100


@settings(relaxed, max_examples=10)
@given(builds, st.floats(10, 100))
def test_every_day_comes_round_to_driving_again(build: Build, percent: float):
    state = CarState(energy_kwh=0, odometer_km=0, limit_percent=80, max_current=16)
    state, stage, inside = with_level(build, state, percent), Stage.AT_HOME, 0.0
    seen = []
    for _ in range(60 * 24 * 2):
        state, inside = advance(build, state, 60), inside + 60
        following = live(build, state, stage, inside)
        if following is not None:
            (stage, state), inside = following, 0.0
            seen.append(stage)
    assert seen.count(Stage.OUTBOUND) >= 2
    assert set(seen) == set(Stage)
