"""Corrections change the hourly ledger and the cost with the session, and undoing them restores both exactly."""

import pytest

from tests.relay.support.charging_events import make_charging, make_stopped, set_home, set_rate
from tests.relay.support.enode_events import at

SESSIONS = "/api/ha/v2/sessions"
HOURS = "select hour, kwh, home_kwh, discharged_kwh, cost, currency from charging_hours order by hour"
ROWS = (
    "select energy_kwh, derived_energy_kwh, cost, cost_unknown, cost_per_kwh, currency, hours, slices, energy_source,"
    " estimated, soc_start, soc_end, peak_kw from charging_sessions order by started_at"
)


@pytest.fixture
async def session_id(api, pipeline):
    """A session of 12 kWh at 6 kW from 12:00 to 14:00; the price rises from 0.20 to 0.50 at 13:00."""
    await set_home(pipeline)
    await set_rate(pipeline, at(-1), 0.2)
    await set_rate(pipeline, at(3600), 0.5)
    for minutes in range(0, 120, 10):
        level = 40 + minutes * 0.2
        await pipeline.process_update("car", at(minutes * 60), **make_charging(level, chargeRate=6))
    await pipeline.process_update("car", at(7200), **make_stopped(64))
    return (await api.get(SESSIONS)).json()["sessions"][0]["id"]


async def list_hours(pipeline):
    rows = await pipeline.execute(HOURS)
    return [tuple(round(row[name], 3) for name in ("kwh", "home_kwh", "cost")) for row in rows]


async def forget_samples(pipeline):
    await pipeline.execute("delete from charging_samples")
    await pipeline.execute("update vehicle_energy set base = tail -> 'tail'")


@pytest.mark.parametrize("has_samples", [True, False])
async def test_hours_and_cost_follow_a_correction_and_come_back(api, pipeline, session_id, has_samples):
    if not has_samples:
        await forget_samples(pipeline)
    hours, [row] = await pipeline.execute(HOURS), await pipeline.execute(ROWS)
    assert await list_hours(pipeline) == [(6, 6, 1.2), (6, 6, 3.0)]
    corrected = (await api.patch(f"{SESSIONS}/{session_id}", json={"energy_kwh": 8})).json()
    assert corrected["cost"]["amount"] == pytest.approx(2.8)
    assert corrected["cost"]["per_kwh"] == pytest.approx(0.35)
    assert await list_hours(pipeline) == [(4, 4, 0.8), (4, 4, 2.0)]
    await api.delete(f"{SESSIONS}/{session_id}")
    assert await list_hours(pipeline) == [(0, 0, 0), (0, 0, 0)]
    assert (await api.post(f"{SESSIONS}/{session_id}/restore")).json()["cost"]["amount"] == pytest.approx(2.8)
    assert await list_hours(pipeline) == [(4, 4, 0.8), (4, 4, 2.0)]
    await api.patch(f"{SESSIONS}/{session_id}", json={"energy_kwh": None})
    assert await pipeline.execute(HOURS) == hours
    assert await pipeline.execute(ROWS) == [row]


async def test_other_session_keeps_its_energy_in_a_shared_hour(api, pipeline):
    await set_rate(pipeline, at(-1), 0.2)
    unplugged = {"charge": {"batteryLevel": 44, "batteryCapacity": 50}, "odometer": {"distance": 48250}}
    for seconds, groups in (
        (0, make_charging(40, chargeRate=6)),
        (1200, make_stopped(44)),
        (1210, unplugged),
        (2000, unplugged),
        (2100, make_charging(44, chargeRate=6)),
        (3300, make_stopped(48)),
    ):
        await pipeline.process_update("car", at(seconds), **groups)
    newer, older = [record["id"] for record in (await api.get(SESSIONS)).json()["sessions"]]
    assert await list_hours(pipeline) == [(4, 0, 0.8)]
    await api.delete(f"{SESSIONS}/{older}")
    assert await list_hours(pipeline) == [(2, 0, 0.4)]
    await api.patch(f"{SESSIONS}/{newer}", json={"energy_kwh": 3})
    assert await list_hours(pipeline) == [(3, 0, 0.6)]


async def test_late_sample_gives_the_hours_of_the_corrected_session(api, pipeline, session_id):
    await api.patch(f"{SESSIONS}/{session_id}", json={"energy_kwh": 8})
    await pipeline.process_update("car", at(4500), **make_charging(55, chargeRate=6))
    assert await list_hours(pipeline) == [(4, 4, 0.8), (4, 4, 2.0)]
    await api.delete(f"{SESSIONS}/{session_id}")
    await pipeline.process_update("car", at(4600), **make_charging(55, chargeRate=6))
    assert await list_hours(pipeline) == [(0, 0, 0), (0, 0, 0)]


async def test_energy_stated_for_a_session_of_unknown_energy_is_priced(api, pipeline):
    await set_rate(pipeline, at(-1), 0.25)
    for seconds in (0, 1200, 2400):
        charge = {"batteryLevel": None, "batteryCapacity": None, "chargeRate": None}
        await pipeline.process_update("car", at(seconds), **make_charging(None, **charge))
    await pipeline.process_update("car", at(3000), **make_stopped(None, batteryCapacity=None))
    [record] = (await api.get(SESSIONS)).json()["sessions"]
    assert (record["energy_kwh"], record["cost"]) == (None, None)
    corrected = (await api.patch(f"{SESSIONS}/{record['id']}", json={"energy_kwh": 4})).json()
    assert corrected["cost"]["amount"] == pytest.approx(1.0)
    assert await list_hours(pipeline) == [(4, 0, 1)]
    undone = (await api.patch(f"{SESSIONS}/{record['id']}", json={"energy_kwh": None})).json()
    assert (undone["energy_kwh"], undone["cost"], undone["cost_unknown"]) == (None, None, "energy")


async def test_discharged_energy_is_corrected_in_its_own_counter(api, pipeline):
    await pipeline.process_update("car", at(0), **make_stopped(60))
    discharging = {"isCharging": False, "powerDeliveryState": "PLUGGED_IN:DISCHARGING", "chargeRate": -6}
    for minutes in range(10, 70, 10):
        await pipeline.process_update("car", at(minutes * 60), **make_stopped(62 - 0.2 * minutes, **discharging))
    await pipeline.process_update("car", at(4200), **make_stopped(50))
    [record] = (await api.get(SESSIONS)).json()["sessions"]
    assert record["kind"] == "discharge"
    await api.patch(f"{SESSIONS}/{record['id']}", json={"energy_kwh": 2})
    statement = "select counted_kwh, counted_discharged_kwh from vehicle_energy"
    assert await pipeline.execute(statement) == [{"counted_kwh": 0, "counted_discharged_kwh": 2}]
    await api.delete(f"{SESSIONS}/{record['id']}")
    assert await pipeline.execute(statement) == [{"counted_kwh": 0, "counted_discharged_kwh": 0}]
