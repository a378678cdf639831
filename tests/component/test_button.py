import pytest
from helpers import SetupEntry
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from relay_double import Problem, RelayDouble

REFRESH = "button.blue_car_refresh"


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
