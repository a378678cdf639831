"""Energy by hour over API v2: running sums stay right if a client writes again what has changed since its cursor."""

import random
from datetime import datetime

import pytest

from tests.relay.support.charging_events import EVENTS, make_charging, make_stopped, set_home, set_rate
from tests.relay.support.enode_events import at, format_time

SESSIONS = "/api/ha/v2/sessions"


async def charge(pipeline, start, minutes, *, level=40, kw=6.0):
    """Charge at a constant power. The battery has 50 kWh."""
    for passed in range(0, minutes, 10):
        await pipeline.process_update("car", at(start + passed * 60), **make_charging(level, chargeRate=kw))
        level += kw / 6 / 50 * 100
    await pipeline.process_update("car", at(start + minutes * 60), **make_stopped(level))


async def get_page(api, pipeline, **parameters):
    vehicle = await pipeline.get_vehicle()
    response = await api.get(f"/api/ha/v2/vehicles/{vehicle['id']}/energy-hours", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


class Statistics:
    """Running sums of a client that follows docs/api.md."""

    def __init__(self, limit):
        self.limit = limit
        self.cursor = None
        self.sums = {}

    async def update(self, api, pipeline):
        page = await get_page(api, pipeline, limit=self.limit, **({"since": self.cursor} if self.cursor else {}))
        self.cursor = page["cursor"]
        if page["complete"]:
            self.sums.clear()
        while True:
            energy, cost = page["before"]["energy_kwh"], page["before"]["costs"].get("EUR", 0)
            for hour in page["hours"]:
                energy += hour["energy_kwh"]
                cost += hour["cost"] or 0
                self.sums[hour["hour"]] = (round(energy, 4), round(cost, 4))
            if page["next_from"] is None:
                return
            page = await get_page(api, pipeline, limit=self.limit, **{"from": page["next_from"]})


async def test_hours_have_energy_and_cost(api, pipeline):
    await set_home(pipeline)
    await set_rate(pipeline, at(-1), 0.2)
    await set_rate(pipeline, at(3600), 0.5)
    await charge(pipeline, 0, 120)
    page = await get_page(api, pipeline)
    cursor = page.pop("cursor")
    assert page == {
        "vehicle_id": str((await pipeline.get_vehicle())["id"]),
        "before": {"energy_kwh": 0, "home_kwh": 0, "discharged_kwh": 0, "costs": {}},
        "hours": [
            {"hour": format_time(at(0)), "energy_kwh": 6, "home_kwh": 6, "discharged_kwh": 0, "cost": 1.2,
             "currency": "EUR"},
            {"hour": format_time(at(3600)), "energy_kwh": 6, "home_kwh": 6, "discharged_kwh": 0, "cost": 3,
             "currency": "EUR"},
        ],
        "complete": True,
        "next_from": None,
    }  # fmt: skip
    unchanged = await get_page(api, pipeline, since=cursor)
    assert (unchanged["hours"], unchanged["complete"], unchanged["cursor"]) == ([], False, cursor)


async def test_vehicle_without_charging_has_no_hours(api, pipeline):
    await pipeline.process_update("car", at(0), **make_stopped(40))
    page = await get_page(api, pipeline)
    assert (page["hours"], page["complete"], page["next_from"]) == ([], True, None)
    assert (await get_page(api, pipeline, since=page["cursor"]))["hours"] == []


async def test_response_starts_with_the_first_changed_hour(api, pipeline):
    await set_rate(pipeline, at(-1), 0.2)
    await charge(pipeline, 0, 120)
    await charge(pipeline, 36000, 60, level=64)
    cursor = (await get_page(api, pipeline))["cursor"]
    sessions = (await api.get(SESSIONS)).json()["sessions"]
    await api.delete(f"{SESSIONS}/{sessions[0]['id']}")
    changed = await get_page(api, pipeline, since=cursor)
    assert [(hour["hour"], hour["energy_kwh"], hour["cost"]) for hour in changed["hours"]] == [
        (format_time(at(36000)), 0, 0)
    ]
    assert changed["before"] == {
        "energy_kwh": 12, "home_kwh": 0, "discharged_kwh": 0, "costs": {"EUR": pytest.approx(2.4)}
    }  # fmt: skip
    await api.patch(f"{SESSIONS}/{sessions[1]['id']}", json={"energy_kwh": 6})
    changed = await get_page(api, pipeline, since=changed["cursor"])
    assert [hour["energy_kwh"] for hour in changed["hours"]] == [3, 3, 0]
    assert changed["before"]["energy_kwh"] == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("limit", [1, 3, 1000])
async def test_running_sums_stay_right_whatever_changes(api, pipeline, seed, limit):
    """Events in any order, corrections and deletions: the client's sums are those of a new client."""
    rng = random.Random(f"hours {seed}")  # noqa: S311 - no secret
    await set_rate(pipeline, at(-1), 0.2)
    statistics = Statistics(limit)
    events = rng.sample(EVENTS, len(EVENTS))
    await pipeline.process_update("car", at(-60), **make_stopped(40))
    for seconds, groups in events:
        await pipeline.process_update("car", at(seconds), **groups)
        await statistics.update(api, pipeline)
    for session in (await api.get(SESSIONS)).json()["sessions"]:
        if session["state"] == "ended":
            await api.patch(f"{SESSIONS}/{session['id']}", json={"energy_kwh": rng.choice([0, 1.5, 30])})
            await statistics.update(api, pipeline)
    fresh = Statistics(1000)
    await fresh.update(api, pipeline)
    assert statistics.sums == fresh.sums
    assert fresh.sums


async def test_pages_are_disjoint_and_carry_the_sums_before_them(api, pipeline):
    await charge(pipeline, 0, 240, level=20)
    seen, page = [], await get_page(api, pipeline, limit=3)
    assert [len(page["hours"]), page["complete"]] == [3, True]
    seen += page["hours"]
    page = await get_page(api, pipeline, limit=3, **{"from": page["next_from"]})
    assert (page["before"]["energy_kwh"], page["next_from"], page["complete"]) == (18, None, False)
    seen += page["hours"]
    assert seen == (await get_page(api, pipeline))["hours"]


@pytest.mark.parametrize("cursor", ["other.1", "nonsense", "{epoch}.99999999", "."])
async def test_cursor_of_another_database_gives_everything(api, pipeline, cursor):
    await charge(pipeline, 0, 60)
    epoch = (await get_page(api, pipeline))["cursor"].partition(".")[0]
    page = await get_page(api, pipeline, since=cursor.format(epoch=epoch))
    assert (page["complete"], len(page["hours"])) == (True, 1)


@pytest.mark.parametrize(
    "parameters",
    [{"limit": 0}, {"limit": 5001}, {"limit": "x"}, {"from": "yesterday"}, {"from": "2026-11-25T12:00:00"},
     {"since": "x" * 81}],
)  # fmt: skip
async def test_invalid_ranges_are_refused(api, account, parameters):
    response = await api.get(f"/api/ha/v2/vehicles/{account.vehicle_id}/energy-hours", params=parameters)
    assert (response.status_code, response.json()["type"]) == (422, "urn:evconduit:problem:invalid-request")


async def test_hours_of_another_user_are_not_found_and_nothing_is_charged(api, make_account, pool):
    other = await make_account()
    response = await api.get(f"/api/ha/v2/vehicles/{other.vehicle_id}/energy-hours")
    assert response.status_code == 404


async def test_total_cost_is_the_sum_of_the_hours(api, pipeline):
    """Whatever changes them: the record's sum is kept by a trigger."""
    await set_rate(pipeline, at(-1), 0.2)
    await set_rate(pipeline, at(5400), 0.5)
    rng = random.Random("costs")  # noqa: S311 - no secret
    for seconds, groups in rng.sample(EVENTS, len(EVENTS)):
        await pipeline.process_update("car", at(seconds), **groups)
        await assert_costs_are_sums(pipeline)
    for session in (await api.get(SESSIONS)).json()["sessions"]:
        if session["state"] == "ended":
            await api.delete(f"{SESSIONS}/{session['id']}")
            await assert_costs_are_sums(pipeline)
    await pipeline.execute("delete from charging_hours")
    [row] = await pipeline.execute("select amount from charging_costs")
    assert row["amount"] == pytest.approx(0, abs=1e-9)


async def assert_costs_are_sums(pipeline):
    kept = await pipeline.execute("select currency, amount from charging_costs order by 1")
    sums = await pipeline.execute(
        "select currency, sum(cost) as amount from charging_hours where currency is not null group by 1 order by 1"
    )
    amounts = {row["currency"]: row["amount"] for row in sums if row["amount"] is not None}
    assert {row["currency"]: row["amount"] for row in kept if row["amount"] > 1e-9} == pytest.approx(
        {currency: amount for currency, amount in amounts.items() if amount > 1e-9}
    )


async def get_record(api):
    [record] = (await api.get("/api/ha/v2/vehicles")).json()["vehicles"]
    return record


async def test_record_has_the_total_cost_in_the_currency_used_last(api, pipeline):
    await set_rate(pipeline, at(-1), 0.2)
    await charge(pipeline, 0, 60)
    cost = (await get_record(api))["energy"]["cost"]
    assert (cost["amount"], cost["currency"]) == (1.2, "EUR")
    await pipeline.execute(
        "insert into electricity_rates (user_id, cost_per_kwh, currency, valid_from) values (%s, 2, 'SEK', %s)",
        pipeline.user_id, at(7000),
    )  # fmt: skip
    await charge(pipeline, 36000, 60, level=52)
    later = (await get_record(api))["energy"]["cost"]
    assert (later["amount"], later["currency"]) == (12, "SEK")
    assert datetime.fromisoformat(later["since"]) >= datetime.fromisoformat(cost["since"])


async def test_start_of_the_total_cost_never_changes(api, pipeline):
    """Home Assistant takes another start for another counter, and would count everything again."""
    await set_rate(pipeline, at(-360000), 0.2)
    await charge(pipeline, 0, 60)
    since = (await get_record(api))["energy"]["cost"]["since"]
    await charge(pipeline, -36000, 60, level=28)
    cost = (await get_record(api))["energy"]["cost"]
    assert (cost["amount"], cost["since"]) == (2.4, since)


async def test_record_has_the_session_under_way_and_the_last_one(api, pipeline, add_session):
    vehicle_id = (await create_vehicle(pipeline))["id"]
    assert (await get_record(api))["charging_sessions"] == {"current": None, "last": None}
    ended = await add_session(30, vehicle_id=vehicle_id)
    assert await get_session_ids(api) == (None, ended)
    under_way = await add_session(1, vehicle_id=vehicle_id, open=True)
    assert await get_session_ids(api) == (under_way, ended)
    await add_session(0.5, vehicle_id=vehicle_id, kind="discharge")
    await pipeline.execute("update charging_sessions set deleted_by_owner = true where id = %s", ended)
    assert await get_session_ids(api) == (under_way, None)
    listed = (await api.get(SESSIONS)).json()["sessions"]
    assert (await get_record(api))["charging_sessions"]["current"] in listed


async def test_silent_session_counts_as_ended(api, pipeline, add_session):
    vehicle_id = (await create_vehicle(pipeline))["id"]
    stale = await add_session(9, vehicle_id=vehicle_id, open=True)
    assert await get_session_ids(api) == (None, stale)


async def create_vehicle(pipeline):
    await pipeline.process_update("car", at(0), charge={"batteryLevel": 50})
    return await pipeline.get_vehicle()


async def get_session_ids(api):
    sessions = (await get_record(api))["charging_sessions"]
    return tuple(sessions[name] and sessions[name]["id"] for name in ("current", "last"))


async def test_amended_session_is_published(api, pipeline):
    """A late report that changes nothing else gives the vehicle a new revision."""
    await charge(pipeline, 0, 60)
    before = await get_record(api)
    await pipeline.process_update("car", at(1500), **make_charging(44, chargeRate=9))
    after = await get_record(api)
    assert after["charging_sessions"]["last"] != before["charging_sessions"]["last"]
    assert after["revision"] > before["revision"]
