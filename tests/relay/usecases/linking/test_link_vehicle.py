"""Linking from link-vehicle through the one-time page and Enode's page to the vehicle in the account."""

import asyncio
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from relay.usecases.linking.create_link_page import MAX_UNOPENED_PAGES
from tests.relay.support.linking import HOME, get_enode_user_path, parse_problem


async def test_linked_vehicle_appears_in_result_and_snapshot(scenario):
    link = await scenario.create_link("tesla")
    assert link["url"].startswith(f"{HOME}/link/")
    assert (link["linkUrl"], link["linkToken"], link["vendor"]) == (link["url"], link["link_id"], "TESLA")
    lifetime = datetime.fromisoformat(link["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23) < lifetime <= timedelta(hours=24)
    assert (await scenario.get_link_result(link))["state"] == "waiting"
    page = await scenario.browser.get(link["url"])
    assert page.status_code == 200
    assert "a@example.org" in page.text
    assert "Tesla" in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    # Without it the browser would block the redirect.
    assert scenario.simulator.url in page.headers["content-security-policy"]
    response = await scenario.browser.post(link["url"])
    assert response.status_code == 303
    assert response.headers["location"].startswith(f"{scenario.simulator.url}/link/")
    callback_url = await scenario.complete_enode_page(response.headers["location"])
    assert callback_url == f"{HOME}/link-callback?link={link['link_id']}"
    assert "<h1>Your car is linked</h1>" in (await scenario.browser.get(callback_url)).text
    await scenario.drain_inbox()
    result = await scenario.get_link_result(link)
    assert (result["state"], result["status"], result["vendor"]) == ("linked", "linked", "TESLA")
    assert result["userId"] == str(scenario.account.user_id)
    assert {vehicle["id"] for vehicle in result["vehicles"]} == {
        vehicle["id"] for vehicle in await scenario.list_vehicles()
    }
    assert {vehicle["link_state"] for vehicle in result["vehicles"]} == {"ok"}


async def test_linking_needs_no_webhook_from_enode(scenario):
    await scenario.link_vehicles("XPENG")
    (row,) = await scenario.query("select count(*), min(source) as source from webhook_logs")
    assert (row["count"], row["source"]) == (1, "poll")
    assert len(await scenario.list_vehicles()) == 1


async def test_viewing_keeps_the_page_usable_and_only_one_of_twenty_posts_succeeds(scenario):
    link = await scenario.create_link("TESLA")
    for _ in range(3):
        assert (await scenario.browser.get(link["url"])).status_code == 200
    responses = await asyncio.gather(*(scenario.browser.post(link["url"]) for _ in range(20)))
    assert sorted(response.status_code for response in responses) == [303] + [410] * 19
    page = await scenario.browser.get(link["url"])
    assert page.status_code == 410
    assert "a@example.org" not in page.text
    assert "already been used" in page.text


async def test_token_is_stored_as_a_hash(scenario):
    link = await scenario.create_link()
    token = urlsplit(link["url"]).path.removeprefix("/link/")
    assert len(token) == 43
    (row,) = await scenario.query("select link_pages::text as row from link_pages")
    assert token not in row["row"]


async def test_expired_link_page_returns_410(scenario):
    link = await scenario.create_link()
    await scenario.query("update link_pages set expires_at = now()")
    assert (await scenario.browser.get(link["url"])).status_code == 410
    response = await scenario.browser.post(link["url"])
    assert response.status_code == 410
    assert "has expired" in response.text
    assert (await scenario.get_link_result(link))["state"] == "expired"


@pytest.mark.parametrize("token", ["x", "A" * 43, "%00", "A" * 300, "é" * 43])
async def test_unknown_token_returns_404(scenario, token):
    for method in ("GET", "POST"):
        assert (await scenario.browser.request(method, f"/link/{token}")).status_code == 404


@pytest.mark.parametrize("state", ["closed_at", "disabled_at"])
async def test_link_page_of_closed_or_disabled_account_returns_404(scenario, state):
    link = await scenario.create_link()
    await scenario.query(f"update users set {state} = now()")
    assert (await scenario.browser.post(link["url"])).status_code == 404


async def test_unknown_vendor_is_rejected_with_field_and_list_of_vendors(scenario):
    response = await scenario.api.post("/api/user/link-vehicle", json={"vendor": "Trabant"})
    assert parse_problem(response) == (422, "invalid-request")
    assert response.json()["errors"][0]["loc"] == ["body", "vendor"]
    assert {"TESLA", "XPENG"} <= set(response.json()["vendors"])
    assert "Trabant" not in response.text


@pytest.mark.parametrize("written", ["Tesla", " tesla ", "TESLA"])
async def test_vendor_name_ignores_case_and_spaces(scenario, written):
    assert (await scenario.create_link(written))["vendor"] == "TESLA"


async def test_vendor_can_be_chosen_on_enodes_page(scenario):
    link = await scenario.create_link()
    enode_url = (await scenario.browser.post(link["url"])).headers["location"]
    await scenario.enode.post(enode_url, data={"step": "brand", "vendor": "XPENG"})
    await scenario.browser.get(await scenario.complete_enode_page(enode_url))
    await scenario.drain_inbox()
    result = await scenario.get_link_result(link)
    assert (result["state"], result["vendor"], len(result["vehicles"])) == ("linked", "XPENG", 1)


async def test_cancelling_on_enodes_page_gives_state_cancelled(scenario):
    link = await scenario.create_link("TESLA")
    enode_url = (await scenario.browser.post(link["url"])).headers["location"]
    page = await scenario.browser.get(await scenario.complete_enode_page(enode_url, step="cancel"))
    assert "<h1>No car was linked</h1>" in page.text
    assert (await scenario.get_link_result(link))["state"] == "cancelled"


async def test_failure_shows_own_text_instead_of_enodes_message(scenario):
    link = await scenario.create_link("TESLA")
    await scenario.browser.post(link["url"])
    page = await scenario.browser.get(
        f"/link-callback?link={link['link_id']}&error=backendError&error_message=<b>x</b>"
    )
    assert "<h1>The car could not be linked</h1>" in page.text
    assert "<b>x" not in page.text
    assert (await scenario.get_link_result(link))["state"] == "failed"


async def test_return_without_linked_vehicles_leaves_state_waiting(scenario):
    link = await scenario.create_link("TESLA")
    await scenario.browser.post(link["url"])
    await scenario.browser.get(f"/link-callback?link={link['link_id']}")
    assert (await scenario.get_link_result(link))["state"] == "waiting"
    # A return from a page that was never opened is ignored.
    fresh = await scenario.create_link("TESLA")
    await scenario.browser.get(f"/link-callback?link={fresh['link_id']}&error=backendError")
    assert (await scenario.get_link_result(fresh))["state"] == "waiting"


async def test_link_succeeds_although_the_browser_never_returns(scenario):
    link = await scenario.create_link("TESLA")
    enode_url = (await scenario.browser.post(link["url"])).headers["location"]
    assert (await scenario.get_link_result(link))["state"] == "waiting"
    await scenario.complete_enode_page(enode_url)
    await scenario.reset_check_throttle()
    assert (await scenario.get_link_result(link))["state"] == "linked"
    await scenario.drain_inbox()
    assert len((await scenario.get_link_result(link))["vehicles"]) == len(await scenario.list_vehicles()) > 0


async def test_linking_the_same_account_again_gives_state_linked(scenario):
    await scenario.link_vehicles("XPENG")
    second_link = await scenario.link_vehicles("XPENG")
    result = await scenario.get_link_result(second_link)
    assert (result["state"], result["vehicles"]) == ("linked", [])


async def test_two_vendors_linked_at_once_are_distinguished(scenario):
    tesla, xpeng = await scenario.create_link("TESLA"), await scenario.create_link("XPENG")
    enode_urls = [(await scenario.browser.post(link["url"])).headers["location"] for link in (tesla, xpeng)]
    await scenario.browser.get(await scenario.complete_enode_page(enode_urls[1]))
    await scenario.drain_inbox()
    assert (await scenario.get_link_result(tesla))["state"] == "waiting"
    assert (await scenario.get_link_result(xpeng))["state"] == "linked"
    await scenario.reset_check_throttle()
    await scenario.browser.get(await scenario.complete_enode_page(enode_urls[0]))
    await scenario.drain_inbox()
    result = await scenario.get_link_result(tesla)
    assert (result["state"], {vehicle["vendor"] for vehicle in result["vehicles"]}) == ("linked", {"TESLA"})


async def test_frequent_polling_does_not_reach_enode(scenario):
    link = await scenario.create_link("TESLA")
    await scenario.browser.post(link["url"])
    assert (await scenario.get_link_result(link))["state"] == "waiting"
    fault = {"method": "GET", "path": "/users/*", "times": 3, "status": 500}
    await scenario.call_enode("POST", "/_sim/faults", fault)
    try:
        assert (await scenario.get_link_result(link))["state"] == "waiting"
    finally:
        (fault,) = await scenario.call_enode("GET", "/_sim/faults")
        await scenario.call_enode("DELETE", "/_sim/faults", status=204)
    assert fault["times"] == 3


async def test_page_stays_usable_when_enode_does_not_respond(scenario):
    link = await scenario.create_link("TESLA")
    fault = {"method": "POST", "path": f"{get_enode_user_path(scenario)}/link", "times": 9, "status": 503}
    await scenario.call_enode("POST", "/_sim/faults", fault)
    response = await scenario.browser.post(link["url"])
    assert response.status_code == 502
    assert "Enode is not responding" in response.text
    assert "<form" in response.text
    await scenario.call_enode("DELETE", "/_sim/faults", status=204)
    assert (await scenario.browser.post(link["url"])).status_code == 303


async def test_result_of_another_accounts_link_is_not_found(scenario, make_scenario):
    link = await scenario.create_link("TESLA")
    stranger = await make_scenario()
    response = await stranger.api.post("/api/user/link-result", json={"link_id": link["link_id"]})
    assert parse_problem(response) == (404, "not-found")
    unknown = await stranger.api.post("/api/user/link-result", json={"link_id": str(uuid4())})
    assert unknown.json() == response.json()
    odd = await stranger.api.post("/api/user/link-result", json={"link_id": "x"})
    assert parse_problem(odd) == (422, "invalid-request")
    classic = await scenario.api.post("/api/user/link-result", json={"linkToken": link["linkToken"]})
    assert classic.json()["status"] == "waiting"


async def test_key_with_read_scope_cannot_link_or_unlink(make_scenario):
    reader = await make_scenario(scopes=("read",))
    for path, body in (("link-vehicle", {}), ("link-result", {"link_id": str(uuid4())})):
        assert parse_problem(await reader.api.post(f"/api/user/{path}", json=body)) == (403, "forbidden")
    assert parse_problem(await reader.api.delete(f"/api/user/vehicles/{uuid4()}")) == (403, "forbidden")


async def test_number_of_unopened_pages_is_limited(scenario):
    first = await scenario.create_link()
    for _ in range(MAX_UNOPENED_PAGES):
        last = await scenario.create_link()
    (row,) = await scenario.query("select count(*) from link_pages")
    assert row["count"] == MAX_UNOPENED_PAGES
    assert (await scenario.browser.get(first["url"])).status_code == 404
    assert (await scenario.browser.get(last["url"])).status_code == 200


async def test_broken_link_is_relinked_on_a_page_that_names_the_car(scenario):
    await scenario.link_vehicles("XPENG")
    (record,) = await scenario.list_vehicles()
    path = f"/api/ha/v2/vehicles/{record['id']}/relink"
    assert parse_problem(await scenario.api.post(path)) == (409, "not-broken")
    await scenario.call_enode("POST", f"/_sim/vehicles/{record['vehicle']['id']}", {"credentials_valid": False})
    response = await scenario.api.post(path)
    assert set(response.json()) == {"url", "expires_at", "link_id"}
    assert response.json()["url"].startswith(f"{HOME}/link/")
    page = await scenario.browser.get(response.json()["url"])
    assert "Sign in again for" in page.text
    assert "a@example.org" in page.text
    response = await scenario.browser.post(response.json()["url"])
    callback_url = await scenario.complete_enode_page(response.headers["location"])
    assert "<h1>Your car is linked</h1>" in (await scenario.browser.get(callback_url)).text
    (row,) = await scenario.query("select outcome from link_pages where vehicle_id is not null")
    assert row["outcome"] == "linked"
    assert parse_problem(await scenario.api.post(path)) == (409, "not-broken")


async def test_relink_page_returns_409_when_the_link_works_again(scenario):
    await scenario.link_vehicles("XPENG")
    (record,) = await scenario.list_vehicles()
    await scenario.call_enode("POST", f"/_sim/vehicles/{record['vehicle']['id']}", {"credentials_valid": False})
    url = (await scenario.api.post(f"/api/ha/v2/vehicles/{record['id']}/relink")).json()["url"]
    await scenario.call_enode("POST", f"/_sim/vehicles/{record['vehicle']['id']}", {"credentials_valid": True})
    response = await scenario.browser.post(url)
    assert response.status_code == 409
    assert "The link to this car works" in response.text
