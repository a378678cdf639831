"""The page to renew a vehicle's broken link, against the simulated Enode."""

from tests.relay.support.linking import parse_problem


async def test_relink_page_is_created_only_while_the_link_is_broken(v2_api, simulated_vehicle):
    path = f"{simulated_vehicle.path}/relink"
    assert parse_problem(await v2_api.post(path)) == (409, "not-broken")
    await simulated_vehicle.change(credentials_valid=False)
    answer = await v2_api.post(path)
    assert answer.status_code == 200
    assert set(answer.json()) == {"url", "expires_at", "link_id"}
    assert answer.json()["url"].startswith("https://relay.test/link/")  # test_link_vehicle.py covers the page
    await simulated_vehicle.change(credentials_valid=True)
    assert parse_problem(await v2_api.post(path)) == (409, "not-broken")
