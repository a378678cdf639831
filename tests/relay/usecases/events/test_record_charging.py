"""Charging sessions and energy counters that result from Enode's events."""

from uuid import UUID

import psycopg
import pytest

from relay.vehicles.charging import recording
from tests.relay.support.charging_events import (
    get_charged_energy,
    list_sessions,
    make_charging,
    make_stopped,
    set_home,
    set_rate,
)
from tests.relay.support.enode_events import at, make_event, make_vehicle


async def test_session_at_home_is_recorded_with_energy_and_cost(pipeline):
    await set_home(pipeline)
    await set_rate(pipeline, at(-99), 0.4)
    await set_rate(pipeline, at(900), 9)
    await pipeline.process_update("car", at(0), charge={"batteryLevel": 40, "batteryCapacity": 50})
    assert await get_charged_energy(pipeline) == {"lifetime_kwh": 0.0, "home_kwh": 0.0}
    await pipeline.process_update("car", at(600), **make_charging(40))
    [open_session] = await list_sessions(pipeline)
    assert (open_session["open"], open_session["started_at"], open_session["energy_kwh"]) == (True, at(600), None)
    await pipeline.process_update("car", at(1200), **make_charging(42))
    await pipeline.process_update("car", at(1800), **make_stopped(45))
    [session] = await list_sessions(pipeline)
    assert session["id"] == open_session["id"]
    assert (session["open"], session["ended_at"], session["amended_at"]) == (False, at(1800), None)
    assert (session["energy_kwh"], session["energy_source"], session["peak_kw"]) == (
        pytest.approx(2.4),
        "power",
        7.2,
    )
    assert (session["at_home"], session["latitude"], session["odometer_km"]) == (True, 52.1, 48213)
    assert (session["soc_start"], session["soc_end"]) == (40, 45)
    # 0.6 kWh until the second rate was set, 1.8 kWh after.
    assert (session["cost"], session["currency"]) == (pytest.approx(0.6 * 0.4 + 1.8 * 9), "EUR")
    assert (session["cost_per_kwh"], session["cost_unknown"]) == (pytest.approx(16.44 / 2.4), None)
    assert await get_charged_energy(pipeline) == {"lifetime_kwh": 2.4, "home_kwh": 2.4}


async def test_charging_away_from_home_counts_only_to_the_lifetime_total(pipeline):
    await set_home(pipeline, 1, 1)
    await pipeline.process_update("car", at(0), **make_charging(40))
    await pipeline.process_update("car", at(600), **make_stopped(42))
    assert [session["at_home"] for session in await list_sessions(pipeline)] == [False]
    assert await get_charged_energy(pipeline) == {"lifetime_kwh": 1.2, "home_kwh": 0.0}


async def test_session_is_at_home_once_its_place_is_known(pipeline):
    await set_home(pipeline)
    await pipeline.process_update("car", at(0), **make_charging(40), location={"latitude": None, "longitude": None})
    assert [session["at_home"] for session in await list_sessions(pipeline)] == [None]
    await pipeline.process_update("car", at(600), **make_charging(42))
    assert [session["at_home"] for session in await list_sessions(pipeline)] == [True]
    await pipeline.process_update("car", at(1200), **make_stopped(44))
    assert await get_charged_energy(pipeline) == {"lifetime_kwh": 2.4, "home_kwh": 2.4}


async def test_home_counter_needs_a_home_and_any_counter_a_charge_state(pipeline):
    await pipeline.process(pipeline.make_discovery("car", at(0)))
    assert await get_charged_energy(pipeline) is None
    await pipeline.process_update("car", at(1))
    assert await get_charged_energy(pipeline) == {"lifetime_kwh": 0.0, "home_kwh": None}


async def test_session_keeps_the_location_where_it_began(pipeline):
    await pipeline.process_update("car", at(0), **make_charging(40))
    charge = make_vehicle("car", at(0), **make_charging(40))["chargeState"]
    elsewhere = make_vehicle("car", at(60)) | {"chargeState": charge, "location": {"latitude": 1, "longitude": 1}}
    await pipeline.process(make_event("user:vehicle:updated", at(60), pipeline.user_id, vehicle=elsewhere))
    assert [session["latitude"] for session in await list_sessions(pipeline)] == [52.1]


async def test_charging_event_costs_one_statement_and_unchanged_state_none(pipeline, monkeypatch):
    await pipeline.process_update("car", at(0), **make_charging(40))
    statements = []
    execute = psycopg.AsyncCursor.execute
    record = recording.record_charging

    async def execute_and_count(self, query, *arguments, **options):
        statements.append(query)
        return await execute(self, query, *arguments, **options)

    async def record_and_count(*arguments, **options):
        with monkeypatch.context() as patch:
            patch.setattr(psycopg.AsyncCursor, "execute", execute_and_count)
            return await record(*arguments, **options)

    monkeypatch.setattr("relay.usecases.events.event_context.record_charging", record_and_count)
    await pipeline.process_update("car", at(60), **make_charging(41))
    assert len(statements) == 1
    same = make_vehicle("car", at(60), **make_charging(41)) | {"isReachable": False}
    await pipeline.process(make_event("user:vehicle:updated", at(90), pipeline.user_id, vehicle=same))
    assert (await pipeline.get_vehicle())["online"] is False
    assert len(statements) == 1


async def test_implausible_numbers_are_ignored_in_sessions(pipeline):
    odd = {"batteryLevel": -5, "chargeRate": 1e300, "batteryCapacity": "much"}
    await pipeline.process_update(
        "car", at(0), **make_charging(40, **odd), location={"latitude": 999, "longitude": None}
    )
    await pipeline.process_update(
        "car", at(600), **make_stopped(True, batteryCapacity=10**400), odometer={"distance": -1}
    )
    assert {row["state"] for row in await pipeline.list_inbox_rows()} == {"done"}
    [session] = await list_sessions(pipeline)
    assert (session["energy_kwh"], session["energy_source"], session["latitude"], session["odometer_km"]) == (
        None,
        "none",
        None,
        48213,
    )


async def test_session_stays_at_home_when_the_home_location_is_deleted(pipeline):
    await set_home(pipeline)
    await pipeline.process_update("car", at(0), **make_charging(40))
    await pipeline.execute("delete from home_places")
    await pipeline.process_update("car", at(600), **make_charging(42))
    await pipeline.process_update("car", at(1200), **make_stopped(44))
    assert [session["at_home"] for session in await list_sessions(pipeline)] == [True]
    assert (await get_charged_energy(pipeline))["home_kwh"] == 2.4


async def test_sessions_of_new_vehicles_in_one_batch_are_stored(pipeline):
    await pipeline.process(*[pipeline.make_update(f"car{n}", at(n), vin=None, **make_charging(40)) for n in range(3)])
    assert len(await list_sessions(pipeline)) == 3
    assert all(isinstance(session["vehicle_id"], UUID) for session in await list_sessions(pipeline))
