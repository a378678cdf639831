"""From the wish to link a car, over our one-time page and Enode's, to the car in the account."""

import asyncio
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from relay.usecases.linking.create_link_page import MAX_UNOPENED_PAGES
from tests.relay.support.linking import HOME, problem, user_path


async def test_a_car_is_linked_from_the_wish_to_the_snapshot(world):
    asked = await world.ask("tesla")
    assert asked["url"].startswith(f"{HOME}/link/")
    assert (asked["linkUrl"], asked["linkToken"], asked["vendor"]) == (asked["url"], asked["link_id"], "TESLA")
    left = datetime.fromisoformat(asked["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(hours=24)
    assert (await world.result(asked))["state"] == "waiting"
    shown = await world.browser.get(asked["url"])
    assert shown.status_code == 200
    assert "a@example.org" in shown.text
    assert "Tesla" in shown.text
    assert shown.headers["referrer-policy"] == "no-referrer"
    assert world.simulator.url in shown.headers["content-security-policy"]  # or the browser would not follow
    pressed = await world.browser.post(asked["url"])
    assert pressed.status_code == 303
    assert pressed.headers["location"].startswith(f"{world.simulator.url}/link/")
    back = await world.at_maker(pressed.headers["location"])
    assert back == f"{HOME}/link-callback?link={asked['link_id']}"
    assert "<h1>Your car is linked</h1>" in (await world.browser.get(back)).text
    await world.drain()
    result = await world.result(asked)
    assert (result["state"], result["status"], result["vendor"]) == ("linked", "linked", "TESLA")
    assert result["userId"] == str(world.account.user_id)
    assert {it["id"] for it in result["vehicles"]} == {it["id"] for it in await world.records()}
    assert {it["link_state"] for it in result["vehicles"]} == {"ok"}


async def test_nothing_waits_for_a_webhook(world):
    await world.link("XPENG")
    (row,) = await world.rows("select count(*), min(source) as source from webhook_logs")
    assert (row["count"], row["source"]) == (1, "poll")
    assert len(await world.records()) == 1


async def test_looking_burns_nothing_and_of_twenty_presses_one_gets_through(world):
    asked = await world.ask("TESLA")
    for _ in range(3):
        assert (await world.browser.get(asked["url"])).status_code == 200
    pressed = await asyncio.gather(*(world.browser.post(asked["url"]) for _ in range(20)))
    assert sorted(it.status_code for it in pressed) == [303] + [410] * 19
    shown = await world.browser.get(asked["url"])
    assert shown.status_code == 410
    assert "a@example.org" not in shown.text
    assert "already been used" in shown.text


async def test_the_token_is_kept_as_a_hash(world):
    asked = await world.ask()
    token = urlsplit(asked["url"]).path.removeprefix("/link/")
    assert len(token) == 43
    (row,) = await world.rows("select link_pages::text as row from link_pages")
    assert token not in row["row"]


async def test_an_old_page_is_no_longer_good(world):
    asked = await world.ask()
    await world.rows("update link_pages set expires_at = now()")
    assert (await world.browser.get(asked["url"])).status_code == 410
    pressed = await world.browser.post(asked["url"])
    assert pressed.status_code == 410
    assert "has expired" in pressed.text
    assert (await world.result(asked))["state"] == "expired"


@pytest.mark.parametrize("token", ["x", "A" * 43, "%00", "A" * 300, "é" * 43])
async def test_a_token_that_nobody_gave_out_shows_nothing(world, token):
    for method in ("GET", "POST"):
        assert (await world.browser.request(method, f"/link/{token}")).status_code == 404


@pytest.mark.parametrize("state", ["closed_at", "disabled_at"])
async def test_a_page_of_an_account_that_is_off_leads_nowhere(world, state):
    asked = await world.ask()
    await world.rows(f"update users set {state} = now()")
    assert (await world.browser.post(asked["url"])).status_code == 404


async def test_an_unknown_brand_is_refused_at_its_field_with_the_brands_there_are(world):
    answer = await world.api.post("/api/user/link-vehicle", json={"vendor": "Trabant"})
    assert problem(answer) == (422, "invalid-request")
    assert answer.json()["errors"][0]["loc"] == ["body", "vendor"]
    assert {"TESLA", "XPENG"} <= set(answer.json()["vendors"])
    assert "Trabant" not in answer.text


@pytest.mark.parametrize("written", ["Tesla", " tesla ", "TESLA"])
async def test_a_brand_is_known_however_it_is_written(world, written):
    assert (await world.ask(written))["vendor"] == "TESLA"


async def test_without_a_brand_the_person_chooses_it_at_enode(world):
    asked = await world.ask()
    page = (await world.browser.post(asked["url"])).headers["location"]
    await world.enode.post(page, data={"step": "brand", "vendor": "XPENG"})
    await world.browser.get(await world.at_maker(page))
    await world.drain()
    result = await world.result(asked)
    assert (result["state"], result["vendor"], len(result["vehicles"])) == ("linked", "XPENG", 1)


async def test_turning_back_is_told_as_such(world):
    asked = await world.ask("TESLA")
    page = (await world.browser.post(asked["url"])).headers["location"]
    shown = await world.browser.get(await world.at_maker(page, step="cancel"))
    assert "<h1>No car was linked</h1>" in shown.text
    assert (await world.result(asked))["state"] == "cancelled"


async def test_a_failure_is_told_in_our_own_words(world):
    asked = await world.ask("TESLA")
    await world.browser.post(asked["url"])
    shown = await world.browser.get(f"/link-callback?link={asked['link_id']}&error=backendError&error_message=<b>x</b>")
    assert "<h1>The car could not be linked</h1>" in shown.text
    assert "<b>x" not in shown.text
    assert (await world.result(asked))["state"] == "failed"


async def test_coming_back_without_having_linked_anything_proves_nothing(world):
    asked = await world.ask("TESLA")
    await world.browser.post(asked["url"])
    await world.browser.get(f"/link-callback?link={asked['link_id']}")
    assert (await world.result(asked))["state"] == "waiting"
    # A page that was never opened cannot have come back.
    fresh = await world.ask("TESLA")
    await world.browser.get(f"/link-callback?link={fresh['link_id']}&error=backendError")
    assert (await world.result(fresh))["state"] == "waiting"


async def test_a_browser_that_never_comes_back_is_not_needed(world):
    asked = await world.ask("TESLA")
    page = (await world.browser.post(asked["url"])).headers["location"]
    assert (await world.result(asked))["state"] == "waiting"
    await world.at_maker(page)
    await world.forget_turns()
    assert (await world.result(asked))["state"] == "linked"
    await world.drain()
    assert len((await world.result(asked))["vehicles"]) == len(await world.records()) > 0


async def test_the_same_account_linked_again_is_linked(world):
    await world.link("XPENG")
    again = await world.link("XPENG")
    result = await world.result(again)
    assert (result["state"], result["vehicles"]) == ("linked", [])


async def test_two_makers_at_once_are_told_apart(world):
    tesla, xpeng = await world.ask("TESLA"), await world.ask("XPENG")
    pages = [(await world.browser.post(it["url"])).headers["location"] for it in (tesla, xpeng)]
    await world.browser.get(await world.at_maker(pages[1]))
    await world.drain()
    assert (await world.result(tesla))["state"] == "waiting"
    assert (await world.result(xpeng))["state"] == "linked"
    await world.forget_turns()
    await world.browser.get(await world.at_maker(pages[0]))
    await world.drain()
    result = await world.result(tesla)
    assert (result["state"], {it["vendor"] for it in result["vehicles"]}) == ("linked", {"TESLA"})


async def test_enode_is_asked_now_and_then_however_often_one_asks_us(world):
    asked = await world.ask("TESLA")
    await world.browser.post(asked["url"])
    assert (await world.result(asked))["state"] == "waiting"
    fault = {"method": "GET", "path": "/users/*", "times": 3, "status": 500}
    await world.sim("POST", "/_sim/faults", fault)
    try:
        assert (await world.result(asked))["state"] == "waiting"
    finally:
        (left,) = await world.sim("GET", "/_sim/faults")
        await world.sim("DELETE", "/_sim/faults", status=204)
    assert left["times"] == 3


async def test_while_enode_does_not_answer_the_page_stays_good(world):
    asked = await world.ask("TESLA")
    fault = {"method": "POST", "path": f"{user_path(world)}/link", "times": 9, "status": 503}
    await world.sim("POST", "/_sim/faults", fault)
    pressed = await world.browser.post(asked["url"])
    assert pressed.status_code == 502
    assert "Enode is not responding" in pressed.text
    assert "<form" in pressed.text
    await world.sim("DELETE", "/_sim/faults", status=204)
    assert (await world.browser.post(asked["url"])).status_code == 303


async def test_another_accounts_link_is_nobodys(world, make_world):
    asked = await world.ask("TESLA")
    stranger = await make_world()
    answer = await stranger.api.post("/api/user/link-result", json={"link_id": asked["link_id"]})
    assert problem(answer) == (404, "not-found")
    unknown = await stranger.api.post("/api/user/link-result", json={"link_id": str(uuid4())})
    assert unknown.json() == answer.json()
    odd = await stranger.api.post("/api/user/link-result", json={"link_id": "x"})
    assert problem(odd) == (422, "invalid-request")
    classic = await world.api.post("/api/user/link-result", json={"linkToken": asked["linkToken"]})
    assert classic.json()["status"] == "waiting"


async def test_a_key_that_may_only_read_links_nothing(make_world):
    reader = await make_world(scopes=("read",))
    for path, body in (("link-vehicle", {}), ("link-result", {"link_id": str(uuid4())})):
        assert problem(await reader.api.post(f"/api/user/{path}", json=body)) == (403, "forbidden")
    assert problem(await reader.api.delete(f"/api/user/vehicles/{uuid4()}")) == (403, "forbidden")


async def test_pages_that_wait_are_bounded(world):
    first = await world.ask()
    for _ in range(MAX_UNOPENED_PAGES):
        last = await world.ask()
    (row,) = await world.rows("select count(*) from link_pages")
    assert row["count"] == MAX_UNOPENED_PAGES
    assert (await world.browser.get(first["url"])).status_code == 404
    assert (await world.browser.get(last["url"])).status_code == 200


async def test_a_broken_link_is_renewed_on_our_page_which_names_the_car(world):
    await world.link("XPENG")
    (record,) = await world.records()
    path = f"/api/ha/v2/vehicles/{record['id']}/relink"
    assert problem(await world.api.post(path)) == (409, "not-broken")
    await world.sim("POST", f"/_sim/vehicles/{record['vehicle']['id']}", {"credentials_valid": False})
    answer = await world.api.post(path)
    assert set(answer.json()) == {"url", "expires_at"}
    assert answer.json()["url"].startswith(f"{HOME}/link/")
    shown = await world.browser.get(answer.json()["url"])
    assert "Sign in again for" in shown.text
    assert "a@example.org" in shown.text
    pressed = await world.browser.post(answer.json()["url"])
    back = await world.at_maker(pressed.headers["location"])
    assert "<h1>Your car is linked</h1>" in (await world.browser.get(back)).text
    (row,) = await world.rows("select outcome from link_pages where vehicle_id is not null")
    assert row["outcome"] == "linked"
    assert problem(await world.api.post(path)) == (409, "not-broken")


async def test_a_renewal_is_not_needed_any_more_when_its_button_is_pressed(world):
    await world.link("XPENG")
    (record,) = await world.records()
    await world.sim("POST", f"/_sim/vehicles/{record['vehicle']['id']}", {"credentials_valid": False})
    url = (await world.api.post(f"/api/ha/v2/vehicles/{record['id']}/relink")).json()["url"]
    await world.sim("POST", f"/_sim/vehicles/{record['vehicle']['id']}", {"credentials_valid": True})
    pressed = await world.browser.post(url)
    assert pressed.status_code == 409
    assert "The link to this car works" in pressed.text
