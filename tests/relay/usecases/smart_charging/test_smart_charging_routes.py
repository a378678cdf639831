"""Smart charging, against the simulated Enode: its settings, the Location of the home, and the override."""

import asyncio
from dataclasses import replace

import pytest

from relay.usecases.smart_charging.charging_location import LOCATION_NAME, format_decimal
from tests.relay.support.linking import parse_problem

SETTINGS = {"enabled": True, "ready_by": "07:00", "minimum_level": 30, "time_zone": "Europe/Oslo"}


@pytest.fixture
async def car(simulated_vehicle, simulator, account):
    """The account's vehicle, of which Enode has the account's own user."""
    account.enode_id = await asyncio.to_thread(simulator.link_car, "tesla-model-3", user=str(account.user_id))
    await simulated_vehicle.execute("update vehicle_links set enode_vehicle_id = %s", account.enode_id)
    await simulated_vehicle.change(activity="charge", battery_level=40)
    return simulated_vehicle


@pytest.fixture
def set_home(car):
    async def insert():
        location = (await asyncio.to_thread(car.simulator.get_vehicle, car.account.enode_id))["location"]
        await car.execute(
            "insert into home_places (user_id, latitude, longitude, radius_m) values (%s, %s, %s, 500)",
            *(car.account.user_id, location["latitude"], location["longitude"]),
        )

    return insert


@pytest.fixture
def list_locations(car, simulator, account):
    def request():
        listed = simulator.json("GET", f"/users/{account.user_id}/locations")["data"]
        tariffs = [simulator.json("GET", f"/locations/{item['id']}/tariff") for item in listed]
        return [(item["name"], item["timezoneName"]) for item in listed], tariffs

    return lambda: asyncio.to_thread(request)


async def put(v2_api, car, **body):
    return await v2_api.put(f"{car.path}/smart-charging", json=body)


async def set_rate(car, cost, age):
    await car.execute(
        "insert into electricity_rates (user_id, cost_per_kwh, currency, valid_from)"
        " values (%s, %s, 'EUR', now() - %s::interval)",
        *(car.account.user_id, cost, age),
    )


async def test_settings_reach_enode_and_cost_one_call(v2_api, car, set_home, list_locations):
    await set_home()
    answer = await put(v2_api, car, **SETTINGS)
    assert (answer.status_code, answer.json()) == (200, SETTINGS)
    policy = (await asyncio.to_thread(car.simulator.get_vehicle, car.account.enode_id))["smartChargingPolicy"]
    assert policy == {"isEnabled": True, "deadline": "07:00", "minimumChargeLimit": 30}
    assert await list_locations() == ([(LOCATION_NAME, "Europe/Oslo")], [[]])
    assert await car.get_used_calls() == 1


async def test_settings_that_are_left_out_stay(v2_api, car, set_home):
    await set_home()
    await put(v2_api, car, **SETTINGS)
    answer = await put(v2_api, car, minimum_level=50, time_zone="Europe/Oslo")
    assert answer.json() == SETTINGS | {"minimum_level": 50}
    assert (await put(v2_api, car, enabled=False)).json()["enabled"] is False


async def test_location_is_updated_and_not_made_twice(v2_api, car, set_home, list_locations):
    await set_home()
    for time_zone in ("Europe/Oslo", "Europe/Oslo", "America/New_York"):
        await put(v2_api, car, ready_by="07:00", time_zone=time_zone)
    assert await list_locations() == ([(LOCATION_NAME, "America/New_York")], [[]])


@pytest.mark.parametrize(
    ("rates", "prices"),
    [
        ([(0.31, "30 days")], 7),
        ([(0.31, "1 hour")], 7),
        ([(0.2, "30 days"), (0.31, "1 day")], 7),
        ([(0.2, "2 hours"), (0.31, "1 hour")], 0),
        ([], 0),
    ],
)
async def test_fixed_rate_is_the_tariff_and_a_changing_one_is_not(
    v2_api, car, set_home, list_locations, *, rates, prices
):
    await set_home()
    for cost, age in rates:
        await set_rate(car, cost, age)
    await put(v2_api, car, **SETTINGS)
    _, [tariff] = await list_locations()
    assert len(tariff) == prices
    if prices:
        rate = await asyncio.to_thread(car.simulator.json, "GET", f"/tariffs/{car.account.user_id}")
        assert rate == [{"name": "RATE", "cost": "0.31"}]


async def test_rate_that_begins_to_change_is_removed_again(v2_api, car, set_home, list_locations):
    await set_home()
    await set_rate(car, 0.31, "30 days")
    await put(v2_api, car, **SETTINGS)
    for age in ("2 hours", "1 hour"):
        await set_rate(car, 0.2, age)
    await put(v2_api, car, **SETTINGS)
    assert await list_locations() == ([(LOCATION_NAME, "Europe/Oslo")], [[]])


@pytest.mark.parametrize("body", [{"enabled": True}, {"ready_by": "07:00"}])
async def test_smart_charging_needs_a_home(v2_api, car, body):
    answer = await put(v2_api, car, **body)
    assert parse_problem(answer) == (409, "home-required")
    assert await car.get_used_calls() == 0


async def test_disabling_needs_no_home(v2_api, car):
    assert (await put(v2_api, car, enabled=False)).status_code == 200


async def test_refusal_of_enode_is_free_and_has_its_reason(v2_api, car, set_home):
    await set_home()
    answer = await put(v2_api, car, enabled=True)
    assert parse_problem(answer) == (422, "command-refused")
    assert answer.json()["reason"] == {"type": "FAILED_PRECONDITION", "detail": "A deadline is needed."}
    assert await car.get_used_calls() == 0


async def test_incapable_car_is_refused_free_of_charge(v2_api, link_simulated_vehicle):
    vehicle = await link_simulated_vehicle("nissan-leaf")
    for answer in (
        await put(v2_api, vehicle, enabled=False),
        await v2_api.post(f"{vehicle.path}/smart-charging/override"),
    ):
        assert parse_problem(answer) == (422, "command-refused")
    assert await vehicle.get_used_calls() == 0


@pytest.mark.parametrize("missing", ["enode", "link"])
async def test_unreachable_enode_is_free(v2_api, car, missing):
    if missing == "link":
        await car.execute("update vehicle_links set ended_at = now()")
    else:
        transport = v2_api._transport
        transport.app.state.runtime = replace(transport.app.state.runtime, enode=None)
    answer = await put(v2_api, car, enabled=False)
    assert parse_problem(answer) == (502, "enode-unavailable")
    assert await car.get_used_calls() == 0


@pytest.mark.parametrize(
    "body",
    [
        {"ready_by": "24:00"},
        {"ready_by": "7:00"},
        {"ready_by": "07:00\n"},
        {"minimum_level": 101},
        {"minimum_level": -1},
        {"time_zone": "../etc/passwd"},
        {"time_zone": ""},
        {"time_zone": "a" * 65},
        {"enabled": "perhaps"},
    ],
)
async def test_invalid_settings_are_refused_free_of_charge(v2_api, car, body):
    assert parse_problem(await put(v2_api, car, **body)) == (422, "invalid-request")
    assert await car.get_used_calls() == 0


async def test_override_charges_now_until_it_is_ended(v2_api, car, set_home):
    await set_home()
    await put(v2_api, car, **SETTINGS)
    started = await v2_api.post(f"{car.path}/smart-charging/override")
    assert (started.status_code, started.json()) == (200, {"active": True})
    status = f"/vehicles/{car.account.enode_id}/smart-charging-status"
    assert (await asyncio.to_thread(car.simulator.json, "GET", status))["smartOverride"]["endedAt"] is None
    for _ in range(2):
        ended = await v2_api.delete(f"{car.path}/smart-charging/override")
        assert (ended.status_code, ended.json()) == (200, {"active": False})
    assert (await asyncio.to_thread(car.simulator.json, "GET", status))["smartOverride"] is None
    assert await car.get_used_calls() == 4


async def test_paused_commands_pause_smart_charging(v2_api, car):
    await car.set_commands_paused(True)
    assert parse_problem(await put(v2_api, car, enabled=False)) == (503, "unavailable")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.31, "0.31"), (0, "0"), (1_000_000, "1000000"), (1e-9, "0.000000001"), (1e-12, "0"), (0.1 + 0.2, "0.3")],
)
def test_price_is_a_decimal_without_an_exponent(number, text):
    assert format_decimal(number) == text
