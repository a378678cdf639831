"""The account's language, and the interventions that are shown in it."""

import pytest

from relay.usecases.events.fetch_interventions import fetch_interventions
from tests.relay.support.linking import parse_problem


async def test_nearest_language_of_enode_is_stored_and_interventions_follow(v2_api, simulated_vehicle, relay_runtime):
    await simulated_vehicle.change(credentials_valid=False)
    await fetch_interventions(relay_runtime)
    response = await v2_api.patch("/account", json={"language": "de-AT"})
    assert response.json()["language"] == (await v2_api.get("/account")).json()["language"] == "de-DE"
    (record,) = (await v2_api.get("/vehicles")).json()["vehicles"]
    assert len(record["interventions"]) == 1  # in English until the German one is fetched
    assert record["revision"] == 2
    assert await fetch_interventions(relay_runtime) == 1
    languages = await simulated_vehicle.execute("select language from interventions order by 1")
    assert languages == [("de-DE",), ("en-US",)]


@pytest.mark.parametrize("body", [{}, {"language": ""}, {"language": "no language"}, {"language": 7}])
async def test_invalid_language_is_refused(v2_api, body):
    assert parse_problem(await v2_api.patch("/account", json=body)) == (422, "invalid-request")
