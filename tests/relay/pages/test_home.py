import re

import pytest
from psycopg.types.json import Jsonb

from tests.relay.browser.household import make_car


@pytest.fixture
def store_car(pool, account):
    async def store(vehicle: dict, link: str = "ok") -> None:
        async with pool.connection() as connection:
            await connection.execute("update vehicles set vehicle_cache = %s, link_state = %s", [Jsonb(vehicle), link])

    return store


async def test_car_shows_its_current_state(sign_in, account, store_car):
    await store_car(
        make_car("Snowflake", level=72, state="PLUGGED_IN:CHARGING", brand="Tesla", model="Model 3", rate=10.8)
    )
    page = (await (await sign_in(account.user_id)).get("/home")).text
    for text in ("Snowflake", "Tesla Model 3 2024", "72<small>%", "Charging", "317 km", "plugged in", "10.8 kW"):
        assert text in page
    assert "Updated 3 minutes ago" in page
    assert 'aria-label="Battery 72 percent"' in page


async def test_car_with_a_broken_link_offers_to_sign_in_again(sign_in, account, store_car):
    await store_car(make_car("Bus", level=5, state="UNPLUGGED", brand="VW", model="ID. Buzz"), "broken")
    page = (await (await sign_in(account.user_id)).get("/home")).text
    assert "Sign in to the car maker again to restore access." in page
    assert f'action="/vehicles/{account.vehicle_id}/relink"' in page


async def test_car_over_the_limit_shows_only_its_name(sign_in, account, store_car):
    await store_car(make_car("Weekend", level=91, state="UNPLUGGED", brand="Porsche", model="Taycan"), "over_limit")
    page = (await (await sign_in(account.user_id)).get("/home")).text
    assert "Weekend" in page
    assert "91" not in page.split("<main")[1].split("</main>")[0].replace(str(account.vehicle_id), "")
    assert 'href="/vehicles/choose"' in page


@pytest.mark.parametrize(
    "vehicle",
    [
        {},
        {"information": None, "chargeState": None, "lastSeen": None},
        {"information": [], "chargeState": "x", "lastSeen": 5, "isReachable": "no"},
        {"chargeState": {"batteryLevel": "many", "range": [], "powerDeliveryState": 7, "chargeLimit": True}},
        {"lastSeen": "2026-01-01", "chargeState": {"batteryLevel": 400, "powerDeliveryState": "UNKNOWN"}},
        {
            "information": {"displayName": "<script>", "year": {}},
            "chargeState": {"powerDeliveryState": "PLUGGED_IN:NEW"},
        },
    ],
)
async def test_page_is_shown_for_any_vehicle_data(sign_in, account, store_car, vehicle):
    await store_car(vehicle)
    page = await (await sign_in(account.user_id)).get("/home")
    assert page.status_code == 200
    assert "<script>" not in page.text


async def test_new_account_is_shown_the_first_steps(sign_in, account, pool):
    async with pool.connection() as connection:
        await connection.execute("delete from vehicles")
    page = (await (await sign_in(account.user_id)).get("/home")).text
    assert "Get started" in page
    assert 'href="/link"' in page
    assert ">http://127.0.0.1:8300</textarea>" in page


async def test_step_is_done_when_home_assistant_has_connected(sign_in, account, pool):
    async with pool.connection() as connection:
        await connection.execute("delete from vehicles")
        await connection.execute("update api_keys set last_used_at = now()")
    page = (await (await sign_in(account.user_id)).get("/home")).text
    assert re.search(r'<li class="done">\s*<h3>Connect Home Assistant</h3>\s*<p>Connected.</p>', page)
    assert "</textarea>" not in page
