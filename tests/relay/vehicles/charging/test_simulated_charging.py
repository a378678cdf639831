"""Sessions against a car whose battery we can look into: a simulated one, seen as seldom and coarsely as Enode sees."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.enode.physics import (
    Build,
    CarState,
    Power,
    advance,
    charge_rate,
    drive,
    full_power,
    level,
    switch,
    with_level,
)
from relay.vehicles.charging.derivation import DerivationState, derive_periods
from tests.relay.support.charging import sample

BUILD = Build(battery_kwh=60, kwh_per_km=0.155, cruise_kmh=62, phases=3, amps=16, loop_km=64)


def look(state, seconds, *, shows_power):
    charging = state.power is Power.CHARGING
    power = round(charge_rate(BUILD, state), 1) if charging and shows_power else None
    soc = math.floor(level(BUILD, state) + 1e-6)
    return sample(seconds / 60, charging, soc, power, plugged=state.power.plugged_in, capacity=BUILD.battery_kwh)


def live(state, minutes, every, *, shows_power, start):
    """The car after so long, what is seen of it every so many seconds and when its state changes, what it charged."""
    seen, charged, power = [], 0.0, state.power
    for second in range(0, minutes * 60, 20):
        before = state
        state = advance(BUILD, state, 20)
        charged += max(0.0, state.energy_kwh - before.energy_kwh)
        if (second + 20) % every == 0 or state.power is not power:
            seen.append(look(state, start + second + 20, shows_power=shows_power))
            power = state.power
    return state, seen, charged


@pytest.mark.parametrize("shows_power", [True, False])
@given(
    legs=st.lists(st.tuples(st.integers(10, 90), st.integers(20, 300)), min_size=1, max_size=4),
    every=st.sampled_from([60, 120, 300, 420]),
    soc=st.integers(50, 75),
)
def test_what_is_counted_is_what_went_into_the_battery(shows_power, legs, every, soc):
    state = CarState(energy_kwh=0, odometer_km=0, limit_percent=80, max_current=16)
    state = with_level(BUILD, state, soc)
    samples, charged, now, stops = [look(state, 0, shows_power=shows_power)], 0.0, 0, 0
    for on_the_road, plugged_in in legs:
        for begin, minutes in ((drive, on_the_road), (lambda it: switch(it, Power.INITIALIZING), plugged_in)):
            state = begin(state)
            state, seen, more = live(state, minutes, every, shows_power=shows_power, start=now)
            now += minutes * 60
            samples += seen
            charged += more
            stops += more > 0.06 * BUILD.battery_kwh
    found, _ = derive_periods(DerivationState(), samples)
    counted = sum(it.energy_kwh or 0.0 for it in found)
    assert stops <= len(found) <= len(legs)
    if shows_power:
        # One look too late at its end, and one at its bend, of each session; the power is told to 0.1 kW.
        late = 2 * full_power(BUILD, state) * every / 3600
        assert counted == pytest.approx(charged, abs=len(legs) * (late + 0.05 * 5))
    else:
        # The level is told in whole points; a charge below what proves one is left out.
        assert counted == pytest.approx(charged, abs=len(legs) * 0.031 * BUILD.battery_kwh)


def test_a_power_that_is_told_often_is_counted_to_a_percent():
    state = with_level(BUILD, CarState(energy_kwh=0, odometer_km=0, limit_percent=80, max_current=16), 20)
    state = replace(state, power=Power.INITIALIZING)
    _, seen, charged = live(state, 300, 120, shows_power=True, start=0)
    [it] = derive_periods(DerivationState(), seen)[0]
    assert it.energy_kwh == pytest.approx(charged, rel=0.01)
