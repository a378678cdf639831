"""What is asked of the relay beside commands: news of a car, and the language."""

import pytest
from helpers import SetUp, eventually
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from relay_double import Problem, RelayDouble

REFRESH = "button.blue_car_refresh"


async def press(hass: HomeAssistant) -> None:
    await hass.services.async_call("button", "press", {"entity_id": REFRESH}, blocking=True)


@pytest.fixture
def refreshes(relay: RelayDouble) -> None:
    relay.account["relay"]["features"] = ["refresh"]


@pytest.mark.usefixtures("refreshes")
async def test_a_press_asks_for_news(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    await set_up()
    await press(hass)
    assert len(relay.asked("/refresh")) == 1


@pytest.mark.usefixtures("refreshes")
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
async def test_a_press_in_vain_says_why(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, problem: Problem, key: str
):
    await set_up()
    with relay.failing("refresh", with_=problem), pytest.raises(HomeAssistantError) as raised:
        await press(hass)
    assert raised.value.translation_key == key
    assert bool(hass.config_entries.flow.async_progress()) is (key == "invalid_auth")


async def test_an_older_relay_brings_no_button(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    await set_up()
    assert hass.states.get(REFRESH) is None


@pytest.mark.parametrize(
    ("known", "here", "asked"),
    [("en", "de", ["de"]), ("en-US", "en-GB", []), ("nl", "nl", []), (None, "de", []), ("de", "pt-BR", ["pt-BR"])],
)
async def test_the_language_of_this_home_assistant_is_wished_for(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, *, known: str | None, here: str, asked: list[str]
):
    if known:
        relay.account["language"] = known
    hass.config.language = here
    entry = await set_up()
    if asked:
        await eventually(lambda: relay.account["language"] == here)
    await entry.runtime_data.client.get_account()
    assert [it.body["language"] for it in relay.requests if it.method == "PATCH"] == asked


async def test_a_key_that_may_not_choose_the_language(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    relay.account["language"] = "en"
    hass.config.language = "de"
    with relay.failing("language", with_=Problem(403, "forbidden")):
        entry = await set_up()
        await eventually(lambda: [it for it in relay.requests if it.method == "PATCH"])
    assert entry.runtime_data.coordinator.is_streaming
