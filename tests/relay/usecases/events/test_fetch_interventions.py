"""Fetching interventions from the simulated Enode, and how vehicle records show them."""

from psycopg.types.json import Jsonb

from relay.gateways.enode import EnodeProtocolError
from relay.usecases.events.fetch_interventions import fetch_interventions


def make_state_with_interventions(*intervention_ids):
    """A vehicle that refers to these interventions."""
    charge_state = {"isCapable": False, "interventionIds": list(intervention_ids)}
    return Jsonb({"capabilities": {"chargeState": charge_state}})


async def get_record(v2_api):
    (record,) = (await v2_api.get("/vehicles")).json()["vehicles"]
    return record


async def test_interventions_are_fetched_published_and_kept_for_a_day(v2_api, simulated_vehicle, relay_runtime):
    assert (await get_record(v2_api))["interventions"] == []
    await simulated_vehicle.change(credentials_valid=False)
    assert await fetch_interventions(relay_runtime) == 1
    record = await get_record(v2_api)
    (intervention,) = record["interventions"]
    assert set(intervention) == {"id", "title", "description", "access", "agent", "action"}
    assert (intervention["title"], intervention["action"]) == ("Sign in again", "Link")
    assert record["revision"] == (await simulated_vehicle.execute("select seq from feeds"))[0][0] == 1
    assert await fetch_interventions(relay_runtime) == 0
    await simulated_vehicle.execute("update interventions set fetched_at = now() - interval '25 hours'")
    assert await fetch_interventions(relay_runtime) == 0  # fetched again, but unchanged
    assert (await get_record(v2_api))["revision"] == 1
    await simulated_vehicle.change(credentials_valid=True)
    assert (await get_record(v2_api))["interventions"] == []


async def test_unknown_intervention_is_hidden_and_not_fetched_repeatedly(v2_api, simulated_vehicle, relay_runtime):
    state = make_state_with_interventions("nobody's", "../x", 7, None)
    await simulated_vehicle.execute("update vehicles set vehicle_cache = %s", state)
    await fetch_interventions(relay_runtime)
    assert (await get_record(v2_api))["interventions"] == []
    rows = await simulated_vehicle.execute("select id from interventions where payload is null")
    assert {row[0] for row in rows} >= {"nobody's", "../x"}
    assert await fetch_interventions(relay_runtime) == 0


async def test_intervention_of_unexpected_shape_does_not_block_others(simulated_vehicle, relay_runtime, monkeypatch):
    requested_ids = []

    async def get(_self, intervention_id, *, language=None):
        requested_ids.append(intervention_id)
        raise EnodeProtocolError("GET /interventions/{}", fault="no id")

    monkeypatch.setattr("relay.gateways.enode.interventions.Interventions.get", get)
    state = make_state_with_interventions("one", "two")
    await simulated_vehicle.execute("update vehicles set vehicle_cache = %s", state)
    for _ in range(2):
        assert await fetch_interventions(relay_runtime) == 0
    assert sorted(requested_ids) == ["one", "two"]
