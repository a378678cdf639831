"""What evcc expects of the entities in docs/evcc.md, read and controlled through Home Assistant's REST API as it does.

The expectations are those of evcc's vehicle type `homeassistant`.
"""

import re
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from helpers import SetupEntry, get_state, wait_for_state, wait_until
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from relay_double import TESLA, RelayDouble, make_record

GUIDE = Path(__file__).parents[2] / "docs" / "evcc.md"
ENTITIES = dict(re.findall(r"^\| `(\w+)` +\| `([\w.]+)` +\|", GUIDE.read_text(), re.MULTILINE))
CHARGING = {
    "powerDeliveryState": "PLUGGED_IN:CHARGING",
    "isPluggedIn": True,
    "isCharging": True,
    "chargeTimeRemaining": 90,
    "maxCurrent": 16,
}


def make_car(revision: int = 1, **state: Any) -> dict[str, Any]:
    capable = {"setMaxCurrent": {"isCapable": True, "interventionIds": []}}
    return make_record(TESLA, revision, vehicle={"capabilities": capable, "chargeState": CHARGING | state})


@pytest.fixture
async def evcc(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, hass_client: ClientSessionGenerator
) -> TestClient[Any, Any]:
    """The HTTP client of evcc, with a token."""
    relay.account["relay"]["features"] = ["charging", "stream", "max_current"]
    relay.records[TESLA] = make_car()
    await setup_entry()
    assert await async_setup_component(hass, "api", {})
    return await hass_client()


async def read(evcc: TestClient[Any, Any], parameter: str) -> str:
    response = await evcc.get(f"/api/states/{ENTITIES[parameter]}")
    assert response.status == HTTPStatus.OK
    return (await response.json())["state"]


async def control(evcc: TestClient[Any, Any], action: str, parameter: str, **data: Any) -> None:
    response = await evcc.post(f"/api/services/{action}", json={"entity_id": ENTITIES[parameter], **data})
    assert response.status == HTTPStatus.OK


async def test_numbers_are_those_of_the_car_in_the_units_of_evcc(hass: HomeAssistant, evcc: TestClient[Any, Any]):
    numbers = {name: float(await read(evcc, name)) for name in ("soc", "range", "limitSoc", "maxCurrent")}
    assert numbers == {"soc": 57, "range": 241, "limitSoc": 80, "maxCurrent": 16}
    assert float(await read(evcc, "odometer")) > 0
    for name, unit in (("soc", "%"), ("range", "km"), ("limitSoc", "%"), ("odometer", "km"), ("maxCurrent", "A")):
        assert hass.states.get(ENTITIES[name]).attributes["unit_of_measurement"] == unit


async def test_finish_time_has_a_date_and_an_offset(evcc: TestClient[Any, Any]):
    assert datetime.fromisoformat(await read(evcc, "finishTime")).tzinfo is not None


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({}, "c"),
        ({"powerDeliveryState": "PLUGGED_IN:STOPPED", "isCharging": False}, "b"),
        ({"powerDeliveryState": "PLUGGED_IN:COMPLETE", "isCharging": False, "isFullyCharged": True}, "b"),
        ({"powerDeliveryState": "UNPLUGGED", "isCharging": False, "isPluggedIn": False}, "a"),
        ({"powerDeliveryState": "UNKNOWN", "isCharging": None, "isPluggedIn": None}, "unknown"),
    ],
)
async def test_status_is_a_letter_that_evcc_knows(
    hass: HomeAssistant, relay: RelayDouble, evcc: TestClient[Any, Any], *, state: dict[str, Any], expected: str
):
    relay.push_record(make_car(2, batteryLevel=58, **state))
    await wait_for_state(hass, ENTITIES["soc"], "58")
    assert await read(evcc, "status") == expected


async def test_unreported_level_is_what_evcc_takes_for_not_available(
    hass: HomeAssistant, relay: RelayDouble, evcc: TestClient[Any, Any]
):
    relay.push_record(make_car(2, batteryLevel=None))
    await wait_for_state(hass, ENTITIES["soc"], "unknown")
    assert await read(evcc, "soc") == "unknown"


async def test_evcc_controls_charging_and_its_current(
    hass: HomeAssistant, relay: RelayDouble, evcc: TestClient[Any, Any]
):
    await control(evcc, "number/set_value", "maxCurrent", value=10)
    relay.push_record(make_car(2, maxCurrent=10))
    await wait_until(lambda: float(get_state(hass, ENTITIES["maxCurrent"])) == 10)
    await control(evcc, "switch/turn_off", "start_charging")
    assert [request.body for request in relay.get_requests("/max-current")] == [{"amps": 10}]
    assert [request.body for request in relay.get_requests("/charging")] == [{"action": "STOP"}]
