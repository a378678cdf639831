import pytest
from helpers import TESLA_BATTERY, SetupEntry, get_state, make_tesla_record, wait_for_state, wait_until
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from relay_double import TESLA, Problem, RelayDouble, make_command, make_record

REFRESH = "button.blue_car_refresh"
CANCEL = "button.blue_car_cancel_command"


async def press(hass: HomeAssistant) -> None:
    await hass.services.async_call("button", "press", {"entity_id": REFRESH}, blocking=True)


@pytest.fixture
def refresh_supported(relay: RelayDouble) -> None:
    relay.account["relay"]["features"] = ["refresh"]


@pytest.mark.usefixtures("refresh_supported")
async def test_press_requests_a_refresh(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    await press(hass)
    assert len(relay.get_requests("/refresh")) == 1


@pytest.mark.usefixtures("refresh_supported")
@pytest.mark.parametrize(
    ("problem", "key"),
    [
        (Problem(429, "too-many-requests", headers={"Retry-After": "50"}), "refreshed_lately"),
        (Problem(502, "enode-unavailable"), "enode_unavailable"),
        (Problem(404, "not-found"), "vehicle_gone"),
        (Problem(403, "forbidden"), "not_allowed"),
        (Problem(401, "unauthorized"), "invalid_auth"),
    ],
)
async def test_press_raises_translated_errors(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, problem: Problem, key: str
):
    await setup_entry()
    with relay.failing("refresh", with_=problem), pytest.raises(HomeAssistantError) as raised:
        await press(hass)
    assert raised.value.translation_key == key
    assert bool(hass.config_entries.flow.async_progress()) is (key == "invalid_auth")


async def test_relay_without_refresh_has_no_button(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    assert hass.states.get(REFRESH) is None


@pytest.mark.parametrize("message", ["account", "snapshot"])
async def test_button_is_added_when_the_relay_learns_to_refresh(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, message: str
):
    await setup_entry()
    relay.account["relay"]["features"] = ["charging", "stream", "refresh"]
    if message == "account":
        relay.send("account", relay.account)
    else:
        relay.break_streams()
    await wait_until(lambda: hass.states.get(REFRESH))
    await press(hass)
    assert len(relay.get_requests("/refresh")) == 1
    relay.account["relay"]["features"] = ["charging", "stream"]
    relay.send("account", relay.account)
    relay.send("account", relay.account | {"relay": {"version": "0.2.0", "features": ["refresh"]}})
    relay.push_record(make_tesla_record(2, 58))
    await wait_for_state(hass, TESLA_BATTERY, "58")
    assert len(hass.states.async_entity_ids("button")) == 3


async def test_cancel_button_cancels_the_open_command(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    relay.account["relay"]["features"] = ["cancel"]
    relay.records[TESLA] = make_record(TESLA, command=make_command(state="pending"))
    relay.commands[make_command()["id"]] = make_command()
    await setup_entry()
    assert get_state(hass, "switch.blue_car_charging") == "off"
    await hass.services.async_call("button", "press", {"entity_id": CANCEL}, blocking=True)
    assert get_state(hass, "switch.blue_car_charging") == "on"
    assert relay.get_requests("/cancel")
    with pytest.raises(ServiceValidationError) as raised:
        await hass.services.async_call("button", "press", {"entity_id": CANCEL}, blocking=True)
    assert raised.value.translation_key == "no_open_command"


async def test_car_without_commands_has_no_cancel_button(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.account["relay"]["features"] = ["cancel"]
    await setup_entry()
    assert hass.states.get(CANCEL)
    assert hass.states.get("button.renault_zoe_cancel_command") is None
