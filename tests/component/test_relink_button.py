"""The button that shows a page to link a car again."""

import pytest
from helpers import SetupEntry, get_state, wait_for_state, wait_until
from homeassistant.components import persistent_notification
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from relay_double import TESLA, Problem, RelayDouble, make_record

BUTTON = "button.blue_car_relink"
BROKEN = {"state": "broken", "since": "2026-11-20T18:00:00.000Z"}
PRESS = ("button", "press", {"entity_id": BUTTON})


@pytest.fixture(autouse=True)
def _relink_supported(relay: RelayDouble) -> None:
    relay.account["relay"]["features"] = ["relink"]


def get_notifications(hass: HomeAssistant) -> dict[str, str]:
    notifications = persistent_notification._async_get_or_create_notifications(hass)
    return {id_: notification["message"] for id_, notification in notifications.items()}


async def test_button_is_available_while_the_link_is_broken(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    await setup_entry()
    assert get_state(hass, BUTTON) == "unavailable"
    relay.push_record(make_record(TESLA, 2, link=BROKEN))
    await wait_for_state(hass, BUTTON, "unknown")


async def test_button_shows_the_page_until_the_car_is_linked(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.records[TESLA] = make_record(TESLA, link=BROKEN)
    await setup_entry()
    await hass.services.async_call(*PRESS, blocking=True)
    (message,) = get_notifications(hass).values()
    assert f"({relay.relink_response['url']})" in message
    assert "Blue car" in message
    relay.push_record(make_record(TESLA, 2))
    await wait_until(lambda: get_notifications(hass) == {})


@pytest.mark.parametrize(
    ("problem", "key"),
    [
        (Problem(409, "not-broken"), "not_broken"),
        (Problem(502, "enode-unavailable"), "enode_unavailable"),
        (Problem(404, "not-found"), "vehicle_gone"),
    ],
)
async def test_page_that_the_relay_does_not_create_is_an_error(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, problem: Problem, key: str
):
    relay.records[TESLA] = make_record(TESLA, link=BROKEN)
    await setup_entry()
    relay.problems["relink"] = problem
    with pytest.raises(HomeAssistantError) as raised:
        await hass.services.async_call(*PRESS, blocking=True)
    assert raised.value.translation_key == key
    assert get_notifications(hass) == {}
