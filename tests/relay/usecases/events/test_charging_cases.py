"""Cases of owners of other integrations: what a vehicle reports, and the charging session that is true."""

import pytest

from tests.relay.support.charging_events import list_sessions, make_charging, make_stopped
from tests.relay.support.enode_events import at

MINUTE = 60


def make_unplugged(level, **more):
    return {"charge": {"batteryLevel": level} | more}


def at_minutes(minutes):
    return at(minutes * MINUTE)


def make_place(latitude, longitude, distance):
    return {"location": {"latitude": latitude, "longitude": longitude}, "odometer": {"distance": distance}}


async def report(pipeline, *reports):
    for minutes, groups in reports:
        await pipeline.process_update("car", at_minutes(minutes), **groups)


async def test_power_beyond_what_the_battery_took_is_not_counted(pipeline):
    """Case 03: The car reports 71.6 kW while the level rises by 21 points of 52 kWh in an hour."""
    told = {"batteryCapacity": 52, "chargeRate": 71.6}
    levels = [36, 39, 43, 46, 50, 53]
    await report(pipeline, *[(10 * n, make_charging(level, **told)) for n, level in enumerate(levels)])
    [open_session] = await list_sessions(pipeline)
    assert open_session["energy_kwh"] <= 18 * 0.52 * 1.15
    await report(pipeline, (60, make_stopped(57, batteryCapacity=52)))
    [session] = await list_sessions(pipeline)
    assert (session["energy_kwh"], session["energy_source"]) == (pytest.approx(10.92), "soc")
    assert (session["estimated"], session["kind"], session["peak_kw"]) == (True, "charge", 71.6)


@pytest.mark.parametrize("hours", [7, 9, 12, 48])
async def test_charge_during_hours_of_silence_is_one_estimated_session(pipeline, hours):
    """Case 10: 20 to 80 % of 60 kWh while nothing was reported."""
    silent = {"batteryCapacity": 60, "chargeRate": None}
    await report(
        pipeline,
        (0, make_stopped(20, **silent)),
        (1, make_charging(20, **silent)),
        (hours * 60, make_stopped(80, **silent)),
    )
    [session] = await list_sessions(pipeline)
    assert (session["soc_start"], session["soc_end"], session["energy_kwh"]) == (20, 80, pytest.approx(36))
    assert (session["started_at"], session["ended_at"]) == (at_minutes(1), at_minutes(hours * 60))
    assert (session["energy_source"], session["estimated"], session["open"]) == ("soc", True, False)


async def test_charge_of_a_car_that_was_only_plugged_in_before_a_silence_is_one_estimated_session(pipeline):
    """Case 10, the other story: 20 % and stopped, twelve hours, 80 % and stopped."""
    await report(pipeline, (0, make_stopped(20, batteryCapacity=60)), (720, make_stopped(80, batteryCapacity=60)))
    [session] = await list_sessions(pipeline)
    assert (session["soc_start"], session["soc_end"], session["energy_kwh"]) == (20, 80, pytest.approx(36))
    assert session["estimated"]


async def test_hybrid_that_charges_while_driving_has_no_session(pipeline):
    """Case 14: 13 kWh, 20 to 52 % in 55 minutes and 60 km, unplugged before and after."""
    await report(
        pipeline,
        (0, make_unplugged(20, batteryCapacity=13) | make_place(52.2, 5.2, 12345)),
        (55, make_unplugged(52, batteryCapacity=13) | make_place(52.6, 5.6, 12405)),
    )
    assert await list_sessions(pipeline) == []


@pytest.mark.parametrize("capacity", [75, None])
async def test_rise_while_driving_far_is_a_fast_charge_of_a_larger_battery(pipeline, capacity):
    await report(
        pipeline,
        (0, make_unplugged(20, batteryCapacity=capacity) | make_place(52.2, 5.2, 12345)),
        (55, make_unplugged(52, batteryCapacity=capacity) | make_place(52.6, 5.6, 12405)),
    )
    [session] = await list_sessions(pipeline)
    assert (session["soc_start"], session["soc_end"], session["estimated"]) == (20, 52, True)
    assert session["energy_kwh"] == (capacity and pytest.approx(24))


async def test_one_unplugged_reading_does_not_split_a_session(pipeline):
    power = {"chargeRate": 7.5}
    await report(
        pipeline,
        (0, make_charging(40, **power)),
        (10, make_charging(42, **power)),
        (20, make_unplugged(45, batteryCapacity=50)),
        (24, make_charging(46, **power)),
        (34, make_stopped(48)),
    )
    [session] = await list_sessions(pipeline)
    assert (session["started_at"], session["ended_at"]) == (at_minutes(0), at_minutes(34))
    assert (session["energy_kwh"], session["energy_source"]) == (pytest.approx(7.5 * 34 / 60), "power")
