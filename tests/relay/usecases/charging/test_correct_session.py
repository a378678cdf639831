"""Owners delete charging sessions, correct their energy and undo both, over API v2."""

import pytest

from tests.relay.support.charging_events import (
    SOC,
    get_energy,
    list_sessions,
    make_charging,
    make_stopped,
    set_home,
    set_rate,
)
from tests.relay.support.enode_events import at

SESSIONS = "/api/ha/v2/sessions"
CHARGED_KWH = 10.0
"""What `charge` charges: 20 % of 50 kWh."""


async def charge(pipeline, start=0, level=20):
    """Charge for 20 minutes from `start` seconds after noon, by the level."""
    await pipeline.process_update("car", at(start), **make_charging(level, **SOC))
    await pipeline.process_update("car", at(start + 1200), **make_stopped(level + 20, **SOC))


async def list_records(api):
    response = await api.get(SESSIONS)
    assert response.status_code == 200, response.text
    return response.json()["sessions"]


async def get_session_id(api):
    return (await list_records(api))[0]["id"]


async def correct(api, session_id, energy_kwh):
    response = await api.patch(f"{SESSIONS}/{session_id}", json={"energy_kwh": energy_kwh})
    assert response.status_code == 200, response.text
    return response.json()


async def delete(api, session_id):
    assert (await api.delete(f"{SESSIONS}/{session_id}")).status_code == 204


async def restore(api, session_id):
    response = await api.post(f"{SESSIONS}/{session_id}/restore")
    assert response.status_code == 200, response.text
    return response.json()


async def get_counted_kwh(pipeline):
    [row] = await pipeline.execute("select counted_kwh, counted_home_kwh from vehicle_energy")
    return row["counted_kwh"], row["counted_home_kwh"]


async def test_deleted_session_is_not_listed_and_not_counted_until_it_is_restored(api, pipeline):
    await charge(pipeline)
    [record] = await list_records(api)
    await delete(api, record["id"])
    assert await list_records(api) == []
    assert (await api.get("/api/ha/charging/sessions")).json()["sessions"] == []
    assert await get_counted_kwh(pipeline) == (0, 0)
    restored = await restore(api, record["id"])
    assert restored | {"amended_at": None} == record
    assert await list_records(api) == [restored]
    assert await get_counted_kwh(pipeline) == (CHARGED_KWH, 0)


async def test_corrected_energy_counts_and_the_derived_one_is_kept(api, pipeline):
    await set_home(pipeline)
    await set_rate(pipeline, at(-1), 0.5)
    await charge(pipeline)
    [record] = await list_records(api)
    assert (record["corrected_by_owner"], record["derived_energy_kwh"]) == (False, CHARGED_KWH)
    corrected = await correct(api, record["id"], 12.5)
    assert corrected["energy_kwh"] == 12.5
    assert corrected["cost"]["amount"] == 6.25
    assert (corrected["corrected_by_owner"], corrected["derived_energy_kwh"]) == (True, CHARGED_KWH)
    assert corrected["amended_at"] is not None
    assert await list_records(api) == [corrected]
    assert await get_counted_kwh(pipeline) == (12.5, 12.5)
    assert await correct(api, record["id"], None) | {"amended_at": None} == record
    assert await get_counted_kwh(pipeline) == (CHARGED_KWH, CHARGED_KWH)


async def test_restored_session_keeps_the_energy_that_was_stated_before_its_deletion(api, pipeline):
    await charge(pipeline)
    session_id = await get_session_id(api)
    await correct(api, session_id, 3)
    await delete(api, session_id)
    restored = await restore(api, session_id)
    assert (restored["energy_kwh"], restored["derived_energy_kwh"]) == (3, CHARGED_KWH)
    assert (await correct(api, session_id, None))["energy_kwh"] == CHARGED_KWH


async def test_counters_that_home_assistant_shows_never_decrease_and_later_charging_fills_the_difference(api, pipeline):
    await set_home(pipeline)
    shown = []

    async def look():
        energy = await get_energy(pipeline)
        shown.append(energy["lifetime_kwh"])
        assert energy["home_kwh"] == energy["lifetime_kwh"]

    await charge(pipeline)
    await look()
    first = await get_session_id(api)
    await delete(api, first)
    await look()
    await charge(pipeline, start=20000, level=30)
    await look()
    second = await get_session_id(api)
    await correct(api, second, 14)
    await look()
    await restore(api, first)
    await look()
    await correct(api, first, 0)
    await look()
    await charge(pipeline, start=40000, level=20)
    await look()
    assert shown == [10, 10, 10, 14, 24, 24, 24]
    assert (await get_counted_kwh(pipeline))[0] == 24


async def test_deleting_and_restoring_leaves_every_counter_as_it_was(api, pipeline):
    await set_home(pipeline)
    await charge(pipeline)
    [before] = await pipeline.execute("select * from vehicle_energy")
    session_id = await get_session_id(api)
    await delete(api, session_id)
    await restore(api, session_id)
    assert await pipeline.execute("select * from vehicle_energy") == [before]
    assert await pipeline.execute("select * from session_corrections") == []


async def test_changed_counter_is_published_and_an_unchanged_one_is_not(api, pipeline):
    await charge(pipeline)
    session_id = await get_session_id(api)
    seq = await pipeline.get_feed_seq()
    await delete(api, session_id)
    assert await pipeline.get_feed_seq() == seq
    await restore(api, session_id)
    assert await pipeline.get_feed_seq() == seq
    await correct(api, session_id, 11)
    assert await pipeline.get_feed_seq() == (await pipeline.get_vehicle())["revision"] == seq + 1
    assert (await get_energy(pipeline))["lifetime_kwh"] == 11.0


@pytest.mark.parametrize("late", [False, True])
async def test_corrections_survive_late_samples(api, pipeline, late):
    await charge(pipeline)
    await charge(pipeline, start=20000)
    newer, older = [record["id"] for record in await list_records(api)]
    await delete(api, older)
    await correct(api, newer, 7)
    if late:
        # Charging began earlier than was known, which makes the older session bigger.
        await pipeline.process_update("car", at(-300), **make_charging(18, **SOC))
        await pipeline.process_update("car", at(20600), **make_charging(31, **SOC))
    else:
        await pipeline.process_update("car", at(22000), **make_stopped(40, **SOC))
    [record] = await list_records(api)
    assert (record["id"], record["energy_kwh"]) == (newer, 7)
    assert await get_counted_kwh(pipeline) == (7, 0)
    restored = await restore(api, older)
    assert restored["energy_kwh"] == (11 if late else CHARGED_KWH)
    assert (await correct(api, newer, None))["energy_kwh"] == CHARGED_KWH


async def test_charging_that_goes_on_after_a_correction_counts_as_derived(api, pipeline):
    await charge(pipeline)
    session_id = await get_session_id(api)
    await correct(api, session_id, 4)
    # Within the pause that doesn't end a session: it is the same session.
    await pipeline.process_update("car", at(1800), **make_charging(40, **SOC))
    await pipeline.process_update("car", at(3600), **make_stopped(60, **SOC))
    [record] = await list_records(api)
    assert record["id"] == session_id
    assert record["derived_energy_kwh"] == 20
    # 10 kWh were charged since. The quarter hour in which the corrected part ended is divided by time.
    assert record["energy_kwh"] == pytest.approx(4 + 10, abs=2.5)


async def test_deleted_session_that_goes_on_is_listed_again_with_what_was_charged_since(api, pipeline):
    await charge(pipeline)
    session_id = await get_session_id(api)
    await delete(api, session_id)
    await pipeline.process_update("car", at(1800), **make_charging(40, **SOC))
    await pipeline.process_update("car", at(3600), **make_stopped(60, **SOC))
    [record] = await list_records(api)
    assert record["id"] == session_id
    assert 10 <= record["energy_kwh"] < record["derived_energy_kwh"] == 20


async def test_session_whose_energy_is_stated_stays_when_late_samples_disprove_it(api, pipeline):
    await charge(pipeline)
    await charge(pipeline, start=20000)
    session_id = (await list_records(api))[-1]["id"]
    await correct(api, session_id, 6)
    # The car reports again about both moments that it never charged.
    for seconds in (0, 1200):
        update = pipeline.make_update("car", at(seconds), **make_stopped(40, **SOC))
        await pipeline.process(update | {"createdAt": "2026-11-23T18:30:00.000Z"})
    record = (await list_records(api))[-1]
    assert (record["id"], record["energy_kwh"], record["derived_energy_kwh"]) == (session_id, 6, None)
    assert await get_counted_kwh(pipeline) == (16, 0)


async def test_session_older_than_its_samples_is_corrected(api, pipeline):
    await charge(pipeline)
    await charge(pipeline, start=20000)
    await pipeline.execute("delete from charging_samples")
    await pipeline.execute("update vehicle_energy set base = tail -> 'tail'")
    session_id = (await list_records(api))[-1]["id"]
    await delete(api, session_id)
    assert await get_counted_kwh(pipeline) == (CHARGED_KWH, 0)
    assert (await restore(api, session_id))["energy_kwh"] == CHARGED_KWH


async def test_session_that_is_under_way_is_neither_deleted_nor_corrected(api, add_session):
    session_id = await add_session(0.2, open=True)
    for response in (
        await api.delete(f"{SESSIONS}/{session_id}"),
        await api.patch(f"{SESSIONS}/{session_id}", json={"energy_kwh": 1}),
    ):
        assert (response.status_code, response.json()["type"]) == (409, "urn:evconduit:problem:session-open")
    [record] = await list_records(api)
    assert (record["state"], record["corrected_by_owner"]) == ("open", False)


@pytest.mark.parametrize("body", [{}, {"energy_kwh": -0.1}, {"energy_kwh": 1000.1}, {"energy_kwh": "much"}])
async def test_energy_out_of_bounds_returns_422(api, add_session, body):
    session_id = await add_session(5)
    response = await api.patch(f"{SESSIONS}/{session_id}", json=body)
    assert response.status_code == 422
    assert "energy_kwh" in response.json()["detail"]
    assert (await list_records(api))[0]["energy_kwh"] == 3.6


@pytest.mark.parametrize("energy_kwh", [0, 1000])
async def test_energy_at_its_bounds_is_accepted(api, add_session, energy_kwh):
    assert (await correct(api, await add_session(5), energy_kwh))["energy_kwh"] == energy_kwh


async def test_deletion_is_idempotent_and_a_deleted_session_is_not_corrected(api, add_session):
    session_id = await add_session(5)
    await delete(api, session_id)
    await delete(api, session_id)
    assert (await api.patch(f"{SESSIONS}/{session_id}", json={"energy_kwh": 1})).status_code == 404
    assert (await restore(api, session_id))["energy_kwh"] == 3.6
    assert (await restore(api, session_id))["energy_kwh"] == 3.6


async def test_sessions_of_others_and_of_vehicles_over_the_limit_are_not_found(api, add_session, make_account, pool):
    other = await make_account()
    foreign = await add_session(5, vehicle_id=other.vehicle_id)
    own = await add_session(5)
    async with pool.connection() as connection:
        await connection.execute("update vehicles set link_state = 'over_limit'")
    for session_id in (foreign, own):
        assert (await api.delete(f"{SESSIONS}/{session_id}")).status_code == 404
        assert (await api.post(f"{SESSIONS}/{session_id}/restore")).status_code == 404
        assert (await api.patch(f"{SESSIONS}/{session_id}", json={"energy_kwh": 1})).status_code == 404


async def test_corrections_cost_no_call_and_are_limited_per_minute(api, add_session):
    session_id = await add_session(5)
    statuses = [(await api.post(f"{SESSIONS}/{session_id}/restore")).status_code for _ in range(62)]
    assert set(statuses) == {200, 429}
    assert (await api.get("/api/ha/v2/account")).json()["allowance"]["used"] == 0


async def test_corrections_move_with_the_history_of_a_merged_vehicle(api, pipeline):
    await pipeline.process_update("old", at(0), **make_charging(20, **SOC))
    await pipeline.process_update("old", at(1200), **make_stopped(40, **SOC))
    await correct(api, await get_session_id(api), 3)
    await pipeline.process(pipeline.make_deletion("old", at(1300)))
    await pipeline.process_update("new", at(20000), vin=None, **make_stopped(40, **SOC))
    await pipeline.process_update("new", at(21000), **make_stopped(40, **SOC))
    await pipeline.process_update("new", at(600), **make_charging(30, **SOC))
    assert [session["energy_kwh"] for session in await list_sessions(pipeline)] == [3]
    vehicle = await pipeline.get_vehicle()
    [correction] = await pipeline.execute("select vehicle_id from session_corrections")
    assert correction["vehicle_id"] == vehicle["id"]
