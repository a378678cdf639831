"""Derived energy compared with what a simulated battery took in.

Samples are as rare and as coarse as Enode's.
"""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.enode.physics import (
    CarSpec,
    CarState,
    Power,
    advance_car,
    battery_percent,
    charge_kw,
    max_charge_kw,
    start_drive,
    with_battery_percent,
    with_power,
)
from relay.vehicles.charging.derivation import DerivationState
from tests.relay.support.charging import derive_periods, make_sample

BUILD = CarSpec(battery_kwh=60, kwh_per_km=0.155, cruise_kmh=62, phases=3, amps=16, loop_km=64)
STEP_SECONDS = 20


def observe(state, seconds, *, shows_power):
    """The sample that Enode would give of the simulated vehicle."""
    charging = state.power is Power.CHARGING
    power = round(charge_kw(BUILD, state), 1) if charging and shows_power else None
    soc = math.floor(battery_percent(BUILD, state) + 1e-6)
    return make_sample(
        seconds / 60, charging, soc, power, plugged=state.power.is_plugged_in, capacity=BUILD.battery_kwh
    )


def simulate(state, minutes, every, *, shows_power, start):
    """The state after `minutes`, its samples (`every` seconds and on changes of power), and the kWh charged."""
    samples, charged, power = [], 0.0, state.power
    for second in range(0, minutes * 60, STEP_SECONDS):
        before = state
        state = advance_car(BUILD, state, STEP_SECONDS)
        charged += max(0.0, state.energy_kwh - before.energy_kwh)
        if (second + STEP_SECONDS) % every == 0 or state.power is not power:
            samples.append(observe(state, start + second + STEP_SECONDS, shows_power=shows_power))
            power = state.power
    return state, samples, charged


@pytest.mark.parametrize("shows_power", [True, False])
@given(
    legs=st.lists(st.tuples(st.integers(10, 90), st.integers(20, 300)), min_size=1, max_size=4),
    every=st.sampled_from([60, 120, 300, 420]),
    soc=st.integers(50, 75),
)
def test_counted_energy_is_close_to_what_the_battery_took_in(shows_power, legs, every, soc):
    state = CarState(energy_kwh=0, odometer_km=0, limit_percent=80, max_current=16)
    state = with_battery_percent(BUILD, state, soc)
    samples, charged, now, stops = [observe(state, 0, shows_power=shows_power)], 0.0, 0, 0
    for driving_minutes, plugged_in_minutes in legs:
        steps = (
            (start_drive, driving_minutes),
            (lambda state: with_power(state, Power.INITIALIZING), plugged_in_minutes),
        )
        for begin, minutes in steps:
            state = begin(state)
            state, new_samples, energy = simulate(state, minutes, every, shows_power=shows_power, start=now)
            now += minutes * 60
            samples += new_samples
            charged += energy
            stops += energy > 0.06 * BUILD.battery_kwh
    periods, _ = derive_periods(DerivationState(), samples)
    counted = sum(period.energy_kwh or 0.0 for period in periods)
    assert stops <= len(periods) <= len(legs)
    if shows_power:
        # Each session may be off by one sampling interval at its end and one where its power drops, and power is
        # rounded to 0.1 kW.
        max_error = 2 * max_charge_kw(BUILD, state) * every / 3600
        assert counted == pytest.approx(charged, abs=len(legs) * (max_error + 0.05 * 5))
    else:
        # Levels are whole points, and a charge too small to prove a session is not counted.
        assert counted == pytest.approx(charged, abs=len(legs) * 0.031 * BUILD.battery_kwh)


def test_frequently_reported_power_is_counted_within_one_percent():
    state = with_battery_percent(BUILD, CarState(energy_kwh=0, odometer_km=0, limit_percent=80, max_current=16), 20)
    state = replace(state, power=Power.INITIALIZING)
    _, samples, charged = simulate(state, 300, 120, shows_power=True, start=0)
    [period] = derive_periods(DerivationState(), samples)[0]
    assert period.energy_kwh == pytest.approx(charged, rel=0.01)
