"""Smart charging: its switch, minimum level and time, and charging now."""

from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import MINUTE, SetupEntry, advance_time, get_state, wait_for_state
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from relay_double import TESLA, Problem, RelayDouble, make_record

SWITCH = "switch.blue_car_smart_charging"
CHARGE_NOW = "switch.blue_car_charge_now"
MINIMUM = "number.blue_car_minimum_level"
READY_BY = "time.blue_car_ready_by"
CAPABLE = {"capabilities": {"smartCharging": {"isCapable": True, "interventionIds": []}}}
OFF = {"isEnabled": False, "deadline": None, "minimumChargeLimit": 0}
ON = {"isEnabled": True, "deadline": "07:30", "minimumChargeLimit": 20}


def make_smart_record(revision: int = 1, policy: dict[str, Any] = OFF, **changes: Any) -> dict[str, Any]:
    return make_record(TESLA, revision, vehicle=CAPABLE | {"smartChargingPolicy": policy}, **changes)


@pytest.fixture(autouse=True)
def _smart_charging_supported(relay: RelayDouble) -> None:
    relay.account["relay"]["features"] = ["charging", "stream", "smart_charging"]
    relay.records[TESLA] = make_smart_record()


async def call(hass: HomeAssistant, entity_id: str, action: str, **data: Any) -> None:
    domain = entity_id.partition(".")[0]
    await hass.services.async_call(domain, action, {"entity_id": entity_id, **data}, blocking=True)


def get_states(hass: HomeAssistant) -> tuple[str, ...]:
    return tuple(get_state(hass, entity_id) for entity_id in (SWITCH, MINIMUM, READY_BY))


async def test_settings_of_the_car_are_shown(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    assert get_states(hass) == ("off", "0", "unknown")
    relay.push_record(make_smart_record(2, ON))
    await wait_for_state(hass, SWITCH, "on")
    assert get_states(hass) == ("on", "20", "07:30:00")


async def test_changes_go_to_the_relay_with_the_time_zone(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    await hass.config.async_set_time_zone("Europe/Oslo")
    await setup_entry()
    await call(hass, READY_BY, "set_value", time="07:30:00")
    await call(hass, MINIMUM, "set_value", value=20)
    await call(hass, SWITCH, "turn_on")
    assert [request.body for request in relay.get_requests("/smart-charging")] == [
        {"ready_by": "07:30", "time_zone": "Europe/Oslo"},
        {"minimum_level": 20, "time_zone": "Europe/Oslo"},
        {"enabled": True, "time_zone": "Europe/Oslo"},
    ]
    assert get_states(hass) == ("on", "20.0", "07:30:00")
    relay.push_record(make_smart_record(2, OFF, command=None))  # from before the change
    relay.push_record(make_smart_record(3, ON))
    relay.push_record(make_smart_record(4, OFF))  # changed elsewhere
    await wait_for_state(hass, SWITCH, "off")


async def test_requested_settings_are_shown_until_they_are_reported(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    await setup_entry()
    await call(hass, SWITCH, "turn_on")
    relay.push_record(make_record(TESLA, 2, vehicle=CAPABLE | {"smartChargingPolicy": OFF, "isReachable": False}))
    await wait_for_state(hass, "binary_sensor.blue_car_reachable", "off")
    assert get_state(hass, SWITCH) == "on"
    await advance_time(hass, freezer, 3 * MINUTE)
    assert get_state(hass, SWITCH) == "off"  # although nothing new was reported


@pytest.mark.parametrize(
    ("problem", "key"),
    [
        (Problem(409, "home-required"), "home_required"),
        (Problem(422, "command-refused", {"reason": {"type": "X", "detail": "No price."}}), "command_refused"),
        (Problem(502, "enode-unavailable"), "enode_unavailable"),
        (Problem(429, "quota-exhausted"), "quota_exhausted"),
    ],
)
async def test_refused_change_is_an_error_and_shows_the_reported_settings(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, problem: Problem, key: str
):
    await setup_entry()
    with relay.failing("smart_charging", with_=problem), pytest.raises(HomeAssistantError) as error:
        await call(hass, SWITCH, "turn_on")
    assert error.value.translation_key == key
    assert get_states(hass) == ("off", "0", "unknown")


async def test_charge_now_overrides_the_plan_until_it_is_off(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.records[TESLA] = make_smart_record(policy=ON)
    await setup_entry()
    assert get_state(hass, CHARGE_NOW) == "off"
    await call(hass, CHARGE_NOW, "turn_on")
    assert get_state(hass, CHARGE_NOW) == "on"
    await call(hass, CHARGE_NOW, "turn_off")
    assert get_state(hass, CHARGE_NOW) == "off"
    assert [request.method for request in relay.get_requests("/override")] == ["POST", "DELETE"]
    status = {"state": "PLAN:EXECUTING:OVERRIDDEN", "since": None, "overridden": True}
    relay.push_record(make_smart_record(2, ON, smart_charging=status))
    await wait_for_state(hass, CHARGE_NOW, "on")
    relay.push_record(make_smart_record(3, ON, smart_charging=status | {"overridden": False}))
    await wait_for_state(hass, CHARGE_NOW, "off")


async def test_there_is_nothing_to_override_while_smart_charging_is_off(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    await setup_entry()
    with pytest.raises(ServiceValidationError) as error:
        await call(hass, CHARGE_NOW, "turn_on")
    assert error.value.translation_key == "smart_charging_off"
    assert relay.get_requests("/override") == []


@pytest.mark.parametrize("missing", ["capability", "feature"])
async def test_entities_exist_only_where_the_car_and_the_relay_can(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, missing: str
):
    if missing == "capability":
        incapable = {"smartCharging": {"isCapable": False, "interventionIds": []}}
        relay.records[TESLA] = make_record(TESLA, vehicle={"capabilities": incapable})
    else:
        relay.account["relay"]["features"] = ["charging", "stream"]
    await setup_entry()
    assert [hass.states.get(entity_id) for entity_id in (SWITCH, CHARGE_NOW, MINIMUM, READY_BY)] == [None] * 4
