"""Properties of the simulated physics."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.enode.activities import Activity, VehicleChanges, apply_changes
from demo.enode.catalogue import MODELS
from demo.enode.daily_routine import Stage, advance_routine
from demo.enode.physics import (
    CarSpec,
    CarState,
    Power,
    advance_car,
    battery_percent,
    charge_kw,
    max_charge_kw,
    minutes_to_limit,
    park_car,
    start_drive,
    tow_car,
    with_battery_percent,
    with_power,
)
from demo.enode.vehicle_view import _build_charge_state
from demo.enode.world import Car

specs = st.sampled_from([model.spec for model in MODELS.values()])
relaxed = settings(deadline=None, max_examples=60)  # no deadline: other load on the machine must not fail a test
seconds = st.floats(0, 6 * 3600, allow_subnormal=False)


@st.composite
def cars(draw: st.DrawFn) -> tuple[CarSpec, CarState]:
    """Generate any car in any state."""
    spec = draw(specs)
    state = CarState(
        energy_kwh=0,
        odometer_km=draw(st.floats(0, 500_000)),
        limit_percent=draw(st.floats(1, 100)),
        max_current=draw(st.floats(1, 64)),
        loop_km=draw(st.floats(0, spec.loop_km * 0.999)),
        power=draw(st.sampled_from(Power)),
        power_seconds=draw(st.floats(0, 100)),
    )
    state = with_battery_percent(spec, state, draw(st.floats(0, 100)))
    is_driving = draw(st.booleans())
    return spec, start_drive(state, draw(st.none() | st.just(spec.loop_km))) if is_driving else state


@relaxed
@given(cars(), seconds)
def test_energy_and_odometer_stay_in_their_limits(car: tuple[CarSpec, CarState], duration: float):
    spec, before = car
    after = advance_car(spec, before, duration)
    assert 0 <= battery_percent(spec, after) <= 100 + 1e-9
    assert after.odometer_km >= before.odometer_km
    assert 0 <= after.loop_km < spec.loop_km


@relaxed
@given(cars(), seconds)
def test_only_driving_uses_and_only_charging_adds_energy(car: tuple[CarSpec, CarState], duration: float):
    spec, before = car
    after = advance_car(spec, before, duration)
    gained = after.energy_kwh - before.energy_kwh
    driven = after.odometer_km - before.odometer_km
    if before.driving:
        assert gained == pytest.approx(-driven * spec.kwh_per_km, abs=1e-6)
    else:
        assert driven == 0
        flows = {Power.INITIALIZING, Power.CHARGING, Power.COMPLETE, Power.DISCHARGING}
        assert gained == 0 or before.power in flows
        assert gained <= max_charge_kw(spec, before) * duration / 3600 + 1e-6


@relaxed
@given(cars(), seconds)
def test_charge_ends_at_the_limit(car: tuple[CarSpec, CarState], duration: float):
    spec, state = car
    before = with_power(replace(state, driving=False), Power.CHARGING)
    after = advance_car(spec, before, duration)
    ceiling = max(battery_percent(spec, before), before.limit_percent)
    assert battery_percent(spec, before) - 1e-9 <= battery_percent(spec, after) <= ceiling + 1e-9
    if after.power is Power.COMPLETE:
        assert battery_percent(spec, after) >= before.limit_percent - 1e-9
    assert charge_kw(spec, after) <= max_charge_kw(spec, after) + 1e-9


@relaxed
@given(cars())
def test_charge_takes_the_predicted_time(car: tuple[CarSpec, CarState]):
    spec, state = car
    state = with_power(replace(state, driving=False, max_current=max(6.0, state.max_current)), Power.CHARGING)
    minutes = minutes_to_limit(spec, state)
    assert advance_car(spec, state, minutes * 60 * 1.02 + 60).power is Power.COMPLETE
    if minutes > 5:
        assert advance_car(spec, state, minutes * 60 * 0.95 - 60).power is Power.CHARGING


@relaxed
@given(cars(), st.lists(st.floats(0.01, 900), min_size=1, max_size=8))
def test_many_short_steps_equal_one_long_step(car: tuple[CarSpec, CarState], parts: list[float]):
    spec, state = car
    in_one_step = advance_car(spec, state, sum(parts))
    for part in parts:
        state = advance_car(spec, state, part)
    # Steps begin at different times, and handshake and taper are only as precise as a step.
    assert battery_percent(spec, state) == pytest.approx(battery_percent(spec, in_one_step), abs=0.6)
    assert state.odometer_km == pytest.approx(in_one_step.odometer_km, abs=1e-6)


@relaxed
@given(st.sampled_from([*MODELS.values()]), st.lists(st.tuples(st.sampled_from(Activity), seconds), max_size=12))
def test_any_sequence_of_activities_keeps_a_car_valid(model, commands: list[tuple[Activity, float]]):
    state = CarState(energy_kwh=20, odometer_km=1000, limit_percent=80, max_current=16)
    car = Car(key="k", model_key=model.key, vin="v", state=state, stage=Stage.AT_HOME)
    for activity, duration in commands:
        before = car.state.odometer_km
        car = apply_changes(car, VehicleChanges(activity=activity))
        assert not (car.state.driving and car.state.power.is_plugged_in)
        car = replace(car, state=advance_car(model.spec, car.state, duration))
        assert car.state.odometer_km >= before
        assert 0 <= battery_percent(model.spec, car.state) <= 100


@settings(relaxed, max_examples=10)
@given(specs, st.floats(10, 100))
def test_daily_routine_repeats_all_stages(spec: CarSpec, percent: float):
    state = CarState(energy_kwh=0, odometer_km=0, limit_percent=80, max_current=16)
    state, stage, stage_seconds = with_battery_percent(spec, state, percent), Stage.AT_HOME, 0.0
    states = []
    for _ in range(60 * 24 * 2):
        state, stage_seconds = advance_car(spec, state, 60), stage_seconds + 60
        advanced = advance_routine(spec, state, stage, stage_seconds)
        if advanced is not None:
            (stage, state), stage_seconds = advanced, 0.0
            states.append(stage)
    assert states.count(Stage.OUTBOUND) >= 2
    assert set(states) == set(Stage)


PARKED = CarState(energy_kwh=30, odometer_km=1000, limit_percent=80, max_current=16, loop_km=12)
MIDDLE = MODELS["tesla-model-3"].spec


def test_dc_charger_replaces_the_current_limit_until_unplugged():
    charging = replace(with_power(PARKED, Power.CHARGING), dc_kw=240.0)
    assert advance_car(MIDDLE, charging, 60).energy_kwh == pytest.approx(34)
    assert park_car(charging).dc_kw is None


def test_negative_consumption_charges_the_battery_while_driving():
    state = advance_car(MIDDLE, start_drive(PARKED, 30, kwh_per_km=-0.1), 3600)
    assert (state.energy_kwh, state.odometer_km) == (pytest.approx(31.8), pytest.approx(1018))
    assert not state.driving


def test_towed_car_moves_while_its_odometer_stands_still():
    towed = tow_car(PARKED, 0.0)
    assert (towed.loop_km, towed.odometer_km) == (0.0, PARKED.odometer_km)


@pytest.mark.parametrize("power", [Power.UNPLUGGED, Power.STOPPED])
def test_parked_car_loses_what_it_draws_from_the_battery(power):
    state = replace(with_power(PARKED, power), drain_kw=3.0)
    assert advance_car(MIDDLE, state, 1800).energy_kwh == pytest.approx(28.5)
    assert advance_car(MIDDLE, state, 24 * 3600).energy_kwh == 0


def test_drive_ends_at_the_reserve_of_the_specification():
    spec = replace(MIDDLE, reserve_percent=0.0)
    state = advance_car(spec, start_drive(replace(PARKED, energy_kwh=1.0)), 3600)
    assert (state.energy_kwh, state.driving) == (pytest.approx(0, abs=1e-9), False)


@pytest.mark.parametrize(("step", "level"), [(1, 50), (5, 50), (0.5, 50.5)])
def test_level_is_reported_in_steps_of_the_model(monkeypatch, step, level):
    model = replace(MODELS["tesla-model-3"], key="stepped", level_step=step, reported_battery_kwh=62.0)
    monkeypatch.setitem(MODELS, model.key, model)
    state = with_battery_percent(model.spec, PARKED, 50.9)
    charge = _build_charge_state(Car(key="k", model_key=model.key, vin="v", state=state, stage=Stage.AT_HOME))
    assert (charge["batteryLevel"], charge["batteryCapacity"]) == (level, 62.0)
