import pytest
from psycopg.types.json import Jsonb

from tests.relay.browser.household import car


@pytest.fixture
def put_car(pool, account):
    async def put(vehicle: dict, link: str = "ok") -> None:
        async with pool.connection() as connection:
            await connection.execute("update vehicles set vehicle_cache = %s, link_state = %s", [Jsonb(vehicle), link])

    return put


async def test_a_car_shows_what_it_said(sign_in, account, put_car):
    await put_car(car("Snowflake", level=72, state="PLUGGED_IN:CHARGING", brand="Tesla", model="Model 3", rate=10.8))
    shown = (await (await sign_in(account.user_id)).get("/home")).text
    for words in ("Snowflake", "Tesla Model 3 2024", "72<small>%", "Charging", "317 km", "plugged in", "10.8 kW"):
        assert words in shown
    assert "Updated 3 minutes ago" in shown
    assert 'aria-label="Battery 72 percent"' in shown


async def test_a_car_with_a_broken_link_can_be_linked_again(sign_in, account, put_car):
    await put_car(car("Bus", level=5, state="UNPLUGGED", brand="VW", model="ID. Buzz"), "broken")
    shown = (await (await sign_in(account.user_id)).get("/home")).text
    assert "Sign in there once more." in shown
    assert f'action="/vehicles/{account.vehicle_id}/relink"' in shown


async def test_of_a_car_beyond_the_limit_nothing_is_told_but_its_name(sign_in, account, put_car):
    await put_car(car("Weekend", level=91, state="UNPLUGGED", brand="Porsche", model="Taycan"), "over_limit")
    shown = (await (await sign_in(account.user_id)).get("/home")).text
    assert "Weekend" in shown
    assert "91" not in shown.split("<main")[1].split("</main>")[0].replace(str(account.vehicle_id), "")
    assert 'href="/vehicles/choose"' in shown


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
async def test_whatever_a_car_says_the_page_is_shown(sign_in, account, put_car, vehicle):
    await put_car(vehicle)
    shown = await (await sign_in(account.user_id)).get("/home")
    assert shown.status_code == 200
    assert "<script" not in shown.text


async def test_a_new_account_is_told_what_to_do_first(sign_in, account, pool):
    async with pool.connection() as connection:
        await connection.execute("delete from vehicles")
    shown = (await (await sign_in(account.user_id)).get("/home")).text
    assert "Two steps and your car is home" in shown
    assert 'href="/link"' in shown
    assert ">http://127.0.0.1:8300</textarea>" in shown
