import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientTimeout
from freezegun.api import FrozenDateTimeFactory
from helpers import SetUp, eventually, pass_time, shows
from homeassistant.const import ATTR_ENTITY_ID, SERVICE_TURN_OFF, SERVICE_TURN_ON
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from relay_double import HYUNDAI, TESLA, Problem, RelayDouble, command, record

from custom_components.evconduit import vehicle_coordinator
from custom_components.evconduit.client import client as client_module

SWITCH = "switch.blue_car_charging"
CHARGING = "binary_sensor.blue_car_charging"
STATE = "sensor.blue_car_charging_state"
STOPPED = {"chargeState": {"isCharging": False, "chargeRate": None, "powerDeliveryState": "PLUGGED_IN:STOPPED"}}
QUIET = Problem(502, is_relay=False)


async def turn(hass: HomeAssistant, service: str, entity_id: str = SWITCH) -> None:
    await hass.services.async_call("switch", service, {ATTR_ENTITY_ID: entity_id}, blocking=True)


def states(hass: HomeAssistant) -> tuple[str, ...]:
    found = [hass.states.get(it) for it in (SWITCH, CHARGING, STATE)]
    return tuple(it.state for it in found if it)


async def silence(hass: HomeAssistant, relay: RelayDouble, entry: Any) -> None:
    relay.problems["stream"] = QUIET
    relay.break_streams()
    await eventually(lambda: not entry.runtime_data.coordinator.is_streaming)


async def test_the_switch_shows_the_wish_at_once_and_nothing_else_does(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp
):
    await set_up()
    assert states(hass) == ("on", "on", "charging")
    await turn(hass, SERVICE_TURN_OFF)
    assert states(hass) == ("off", "on", "charging")
    assert relay.asked("/charging")[0].body == {"action": "STOP"}
    relay.push(record(TESLA, 2, command=command(state="pending")))
    relay.push(record(TESLA, 3, vehicle=STOPPED, command=command(state="confirmed")))
    await shows(hass, STATE, "stopped")
    assert states(hass) == ("off", "off", "stopped")


async def test_starting_is_asked_for_too(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    relay.records[TESLA] = record(TESLA, vehicle=STOPPED)
    await set_up()
    await turn(hass, SERVICE_TURN_ON)
    assert states(hass) == ("on", "off", "stopped")
    assert relay.asked("/charging")[0].body == {"action": "START"}


@pytest.mark.parametrize("state", ["failed", "cancelled", "unknown", "from the future"])
async def test_a_command_that_comes_to_nothing_gives_way_to_the_truth(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, state: str
):
    await set_up()
    await turn(hass, SERVICE_TURN_OFF)
    relay.push(record(TESLA, 2, command=command(state=state)))
    await shows(hass, SWITCH, "on")


@pytest.mark.parametrize("state", ["sending", "pending"])
async def test_somebody_elses_command_is_shown(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, state: str):
    await set_up()
    relay.push(record(TESLA, 2, command=command(state=state)))
    await shows(hass, SWITCH, "off")


async def test_what_is_not_known_is_unknown(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    await set_up()
    assert hass.states.get("switch.hyundai_charging").state == "unknown"


async def test_an_outcome_that_was_faster_than_the_answer_stays(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    """The stream may tell the end of a command before its own request has been answered."""
    entry = await set_up()
    relay.push(record(TESLA, 2, vehicle=STOPPED, command=command(state="confirmed")))
    await shows(hass, STATE, "stopped")
    relay.push(record(TESLA, 3, command=command(state="confirmed")))
    await shows(hass, STATE, "charging")
    await turn(hass, SERVICE_TURN_OFF)  # answered with the same command, as pending
    assert entry.runtime_data.coordinator.vehicles[TESLA].open_command_kind is None


@pytest.mark.parametrize("state", ["pending", "confirmed"])
async def test_a_newer_command_is_not_hidden_by_an_older_one(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, state: str
):
    entry = await set_up()
    later = command(id="c2", kind="START", state=state, requested_at="2026-11-20T19:00:00.000Z")
    relay.push(record(TESLA, 2, command=later))
    await eventually(lambda: entry.runtime_data.coordinator.vehicles[TESLA].data.revision == 2)
    await turn(hass, SERVICE_TURN_OFF)
    assert states(hass)[0] == "on"


@pytest.mark.parametrize(
    ("problem", "key", "text"),
    [
        (
            Problem(422, "command-refused", {"reason": {"type": "CONFLICT", "detail": "Not plugged in."}}),
            "command_refused",
            "The car does not carry this out: Not plugged in.",
        ),
        (
            Problem(422, "command-refused", {"reason": {"type": "NO_RESPONSE", "detail": None}, "detail": None}),
            "command_refused",
            "The car does not carry this out: NO_RESPONSE",
        ),
        (
            Problem(422, "command-refused", {"detail": None}),
            "command_refused_without_reason",
            "The car does not carry this out, and its maker gives no reason",
        ),
        (Problem(403, "forbidden"), "not_allowed", "The relay does not allow Home Assistant to do this."),
        (Problem(403, "account-disabled"), "account_disabled", "The operator of the EVConduit relay has switched this"),
        (Problem(404, "not-found"), "vehicle_gone", "The relay does not know this car any more"),
        (Problem(429, "quota-exhausted"), "quota_exhausted", "The calls of this account are used up"),
        (Problem(502, "enode-unavailable"), "enode_unavailable", "The relay cannot reach the carmaker just now."),
        (Problem(503, "unavailable"), "cannot_connect", "The EVConduit relay does not answer just now"),
        (Problem(500, "internal"), "relay_error", "The EVConduit relay made a mistake."),
        (Problem(200, body=b"", is_relay=False), "unsupported_relay", "What answers at the address of the relay"),
        (Problem(401, "unauthorized"), "invalid_auth", "The EVConduit relay does not let Home Assistant in"),
    ],
)
async def test_a_refusal_is_told_and_changes_nothing(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, *, problem: Problem, key: str, text: str
):
    await set_up()
    with relay.failing("charging", with_=problem), pytest.raises(HomeAssistantError) as raised:
        await turn(hass, SERVICE_TURN_OFF)
    assert raised.value.translation_key == key
    assert str(raised.value).startswith(text)
    assert states(hass) == ("on", "on", "charging")


@pytest.mark.parametrize("state", ["failed", "cancelled"])
async def test_a_command_that_is_taken_and_cancelled_in_the_same_breath_is_a_refusal(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, state: str
):
    await set_up()
    relay.outcome = {"state": state, "reason": {"type": "FAILED_PRECONDITION", "detail": "Not plugged in."}}
    with pytest.raises(HomeAssistantError) as raised:
        await turn(hass, SERVICE_TURN_OFF)
    assert str(raised.value) == "The car does not carry this out: Not plugged in."
    assert states(hass) == ("on", "on", "charging")


async def test_a_key_that_was_revoked_meanwhile_asks_for_another(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp
):
    await set_up()
    with relay.failing("charging", with_=Problem(401, "unauthorized")), pytest.raises(HomeAssistantError):
        await turn(hass, SERVICE_TURN_OFF)
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == "reauth"


async def test_a_connection_that_broke_is_tried_once_more_under_the_same_key(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp
):
    await set_up()
    with relay.failing("charging", with_=Problem(502, is_relay=False)), pytest.raises(HomeAssistantError) as raised:
        await turn(hass, SERVICE_TURN_OFF)
    assert raised.value.translation_key == "cannot_connect"
    first, second = relay.asked("/charging")
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    await turn(hass, SERVICE_TURN_OFF)
    assert relay.asked("/charging")[2].headers["Idempotency-Key"] != first.headers["Idempotency-Key"]


async def test_a_relay_that_does_not_answer_is_not_waited_for_twice(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client_module, "COMMAND_TIMEOUT", ClientTimeout(total=0.05))
    await set_up()
    over = asyncio.Event()
    relay.before["charging"] = over.wait
    with pytest.raises(HomeAssistantError) as raised:
        await turn(hass, SERVICE_TURN_OFF)
    over.set()
    assert raised.value.translation_key == "cannot_connect"
    assert len(relay.asked("/charging")) == 1


async def test_a_command_that_may_have_got_through_is_told_and_shown(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp
):
    await set_up()
    unsure = Problem(502, "enode-unavailable", {"command": command(state="sending")})
    with relay.failing("charging", with_=unsure), pytest.raises(HomeAssistantError):
        await turn(hass, SERVICE_TURN_OFF)
    assert states(hass) == ("off", "on", "charging")


async def test_only_cars_that_can_be_asked_have_a_switch(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    await set_up()
    assert {it.entity_id for it in hass.states.async_all("switch")} == {SWITCH, "switch.hyundai_charging"}
    assert relay.records[HYUNDAI]["vehicle"]["capabilities"]["startCharging"]["isCapable"] is False


async def test_without_a_stream_the_outcome_is_asked_for(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    entry = await set_up()
    await silence(hass, relay, entry)
    await turn(hass, SERVICE_TURN_OFF)
    assert states(hass) == ("off", "on", "charging")
    path = f"/commands/{command()['id']}"

    async def ask(seconds: int) -> None:
        """Let so much time go by; more where the answer before came only meanwhile, and the wait began with it."""
        asked = len(relay.asked(path))
        for _ in range(3):
            await pass_time(hass, freezer, timedelta(seconds=seconds))
            with suppress(AssertionError):
                await eventually(lambda: len(relay.asked(path)) > asked, within=1)
                return

    await ask(6)
    assert len(relay.asked(path)) == 1
    with relay.failing("command", with_=Problem(503, "unavailable")):
        await ask(11)
    assert len(relay.asked(path)) == 2
    relay.commands[command()["id"]] = command(state="confirmed")
    relay.records[TESLA] = record(TESLA, 2, vehicle=STOPPED, command=command(state="confirmed"))
    await ask(16)
    await shows(hass, STATE, "stopped")
    assert states(hass) == ("off", "off", "stopped")
    assert len(relay.asked("/vehicles")) == 1


async def test_who_listens_again_need_not_ask(
    hass: HomeAssistant, relay: RelayDouble, *, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    entry = await set_up()
    await silence(hass, relay, entry)
    await turn(hass, SERVICE_TURN_OFF)
    relay.records[TESLA] = record(TESLA, 2, command=command(state="pending"))
    del relay.problems["stream"]
    await eventually(lambda: entry.runtime_data.coordinator.is_streaming)
    await pass_time(hass, freezer, timedelta(seconds=6))
    follow = [it for it in entry._background_tasks if it.get_name() == "evconduit command"]
    await eventually(lambda: all(it.done() for it in follow))
    assert relay.asked("/commands/" + command()["id"]) == []


async def test_a_command_that_never_ends_is_not_asked_for_for_ever(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(vehicle_coordinator, "COMMAND_CHECK_DELAYS", (timedelta(0),) * 3)
    entry = await set_up()
    await silence(hass, relay, entry)
    await turn(hass, SERVICE_TURN_OFF)
    await eventually(lambda: not [it for it in entry._background_tasks if it.get_name() == "evconduit command"])
    assert len(relay.asked("/commands/" + command()["id"])) == 3


async def test_the_last_wish_counts(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    await set_up()
    await turn(hass, SERVICE_TURN_OFF)
    await turn(hass, SERVICE_TURN_ON)
    assert states(hass)[0] == "on"
    assert [it.body["action"] for it in relay.asked("/charging")] == ["STOP", "START"]
