import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientTimeout
from freezegun.api import FrozenDateTimeFactory
from helpers import SetupEntry, advance_time, wait_for_state, wait_until
from homeassistant.const import ATTR_ENTITY_ID, EVENT_STATE_CHANGED, SERVICE_TURN_OFF, SERVICE_TURN_ON
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import async_capture_events
from relay_double import HYUNDAI, TESLA, Problem, RelayDouble, make_command, make_record

from custom_components.evconduit import vehicle_coordinator
from custom_components.evconduit.client import client as client_module

SWITCH = "switch.blue_car_charging"
CHARGING = "binary_sensor.blue_car_charging"
STATE = "sensor.blue_car_charging_state"
STOPPED = {"chargeState": {"isCharging": False, "chargeRate": None, "powerDeliveryState": "PLUGGED_IN:STOPPED"}}
GATEWAY_ERROR = Problem(502, is_relay=False)


async def call_switch_action(hass: HomeAssistant, service: str, entity_id: str = SWITCH) -> None:
    await hass.services.async_call("switch", service, {ATTR_ENTITY_ID: entity_id}, blocking=True)


def get_states(hass: HomeAssistant) -> tuple[str, ...]:
    states = [hass.states.get(entity_id) for entity_id in (SWITCH, CHARGING, STATE)]
    return tuple(state.state for state in states if state)


async def stop_stream(hass: HomeAssistant, relay: RelayDouble, entry: Any) -> None:
    relay.problems["stream"] = GATEWAY_ERROR
    relay.break_streams()
    await wait_until(lambda: not entry.runtime_data.coordinator.is_streaming)


async def test_only_the_switch_shows_the_requested_state(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    await setup_entry()
    assert get_states(hass) == ("on", "on", "charging")
    await call_switch_action(hass, SERVICE_TURN_OFF)
    assert get_states(hass) == ("off", "on", "charging")
    assert relay.get_requests("/charging")[0].body == {"action": "STOP"}
    relay.push_record(make_record(TESLA, 2, command=make_command(state="pending")))
    relay.push_record(make_record(TESLA, 3, vehicle=STOPPED, command=make_command(state="confirmed")))
    await wait_for_state(hass, STATE, "stopped")
    assert get_states(hass) == ("off", "off", "stopped")


async def test_turn_on_sends_start(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    relay.records[TESLA] = make_record(TESLA, vehicle=STOPPED)
    await setup_entry()
    await call_switch_action(hass, SERVICE_TURN_ON)
    assert get_states(hass) == ("on", "off", "stopped")
    assert relay.get_requests("/charging")[0].body == {"action": "START"}


@pytest.mark.parametrize("state", ["failed", "cancelled", "unknown", "from the future"])
async def test_unsuccessful_command_restores_the_reported_state(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, state: str
):
    await setup_entry()
    await call_switch_action(hass, SERVICE_TURN_OFF)
    relay.push_record(make_record(TESLA, 2, command=make_command(state=state)))
    await wait_for_state(hass, SWITCH, "on")


@pytest.mark.parametrize("state", ["sending", "pending"])
async def test_command_from_elsewhere_is_shown(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, state: str
):
    await setup_entry()
    relay.push_record(make_record(TESLA, 2, command=make_command(state=state)))
    await wait_for_state(hass, SWITCH, "off")


async def test_open_command_of_another_kind_shows_the_reported_state(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    await setup_entry()
    relay.push_record(make_record(TESLA, 2, vehicle=STOPPED, command=make_command(state="pending", kind="SET_LIMIT")))
    await wait_for_state(hass, STATE, "stopped")
    assert get_states(hass) == ("off", "off", "stopped")


async def test_missing_charge_state_is_unknown(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    assert hass.states.get("switch.hyundai_charging").state == "unknown"


async def test_outcome_that_arrives_before_the_response_is_kept(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    """The stream can deliver the outcome before the command's request is answered."""
    entry = await setup_entry()
    relay.push_record(make_record(TESLA, 2, vehicle=STOPPED, command=make_command(state="confirmed")))
    await wait_for_state(hass, STATE, "stopped")
    relay.push_record(make_record(TESLA, 3, command=make_command(state="confirmed")))
    await wait_for_state(hass, STATE, "charging")
    await call_switch_action(hass, SERVICE_TURN_OFF)  # the response has the same command, still pending
    assert entry.runtime_data.coordinator.vehicles[TESLA].open_command_kind is None


@pytest.mark.parametrize("state", ["pending", "confirmed"])
async def test_older_command_does_not_replace_a_newer_one(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, state: str
):
    entry = await setup_entry()
    later = make_command(id="c2", kind="START", state=state, requested_at="2026-11-20T19:00:00.000Z")
    relay.push_record(make_record(TESLA, 2, command=later))
    await wait_until(lambda: entry.runtime_data.coordinator.vehicles[TESLA].data.revision == 2)
    await call_switch_action(hass, SERVICE_TURN_OFF)
    assert get_states(hass)[0] == "on"


@pytest.mark.parametrize(
    ("problem", "key", "text"),
    [
        (
            Problem(422, "command-refused", {"reason": {"type": "CONFLICT", "detail": "Not plugged in."}}),
            "command_refused",
            "The car refused the command: Not plugged in.",
        ),
        (
            Problem(422, "command-refused", {"reason": {"type": "NO_RESPONSE", "detail": None}, "detail": None}),
            "command_refused",
            "The car refused the command: NO_RESPONSE",
        ),
        (
            Problem(422, "command-refused", {"detail": None}),
            "command_refused_without_reason",
            "The car refused the command. The manufacturer gave no reason",
        ),
        (Problem(403, "forbidden"), "not_allowed", "Home Assistant doesn't have permission for this."),
        (Problem(403, "account-disabled"), "account_disabled", "The relay's operator disabled this"),
        (Problem(404, "not-found"), "vehicle_gone", "The relay doesn't have this car any more"),
        (Problem(429, "quota-exhausted"), "quota_exhausted", "This month's calls of the account are used up"),
        (Problem(502, "enode-unavailable"), "enode_unavailable", "The relay can't reach the car manufacturer."),
        (Problem(503, "unavailable"), "cannot_connect", "The EVConduit relay didn't respond"),
        (Problem(500, "internal"), "relay_error", "The EVConduit relay reported an internal error."),
        (Problem(200, body=b"", is_relay=False), "unsupported_relay", "The server at the relay's address isn't"),
        (Problem(401, "unauthorized"), "invalid_auth", "The EVConduit relay rejected the credential."),
    ],
)
async def test_errors_are_raised_and_change_no_state(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, problem: Problem, key: str, text: str
):
    await setup_entry()
    with relay.failing("charging", with_=problem), pytest.raises(HomeAssistantError) as raised:
        await call_switch_action(hass, SERVICE_TURN_OFF)
    assert raised.value.translation_key == key
    assert str(raised.value).startswith(text)
    assert get_states(hass) == ("on", "on", "charging")


@pytest.mark.parametrize("state", ["failed", "cancelled"])
async def test_command_cancelled_at_once_raises(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, state: str
):
    await setup_entry()
    relay.command_changes = {"state": state, "reason": {"type": "FAILED_PRECONDITION", "detail": "Not plugged in."}}
    with pytest.raises(HomeAssistantError) as raised:
        await call_switch_action(hass, SERVICE_TURN_OFF)
    assert str(raised.value) == "The car refused the command: Not plugged in."
    assert get_states(hass) == ("on", "on", "charging")


async def test_revoked_key_starts_reauth(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    with relay.failing("charging", with_=Problem(401, "unauthorized")), pytest.raises(HomeAssistantError):
        await call_switch_action(hass, SERVICE_TURN_OFF)
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == "reauth"


async def test_connection_error_is_retried_once_with_the_same_key(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    await setup_entry()
    with relay.failing("charging", with_=Problem(502, is_relay=False)), pytest.raises(HomeAssistantError) as raised:
        await call_switch_action(hass, SERVICE_TURN_OFF)
    assert raised.value.translation_key == "cannot_connect"
    first, second = relay.get_requests("/charging")
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    await call_switch_action(hass, SERVICE_TURN_OFF)
    assert relay.get_requests("/charging")[2].headers["Idempotency-Key"] != first.headers["Idempotency-Key"]


async def test_timeout_is_not_retried(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client_module, "COMMAND_TIMEOUT", ClientTimeout(total=0.05))
    await setup_entry()
    is_over = asyncio.Event()
    relay.before_response["charging"] = is_over.wait
    with pytest.raises(HomeAssistantError) as raised:
        await call_switch_action(hass, SERVICE_TURN_OFF)
    is_over.set()
    assert raised.value.translation_key == "cannot_connect"
    assert len(relay.get_requests("/charging")) == 1


async def test_command_with_unknown_delivery_raises_and_is_shown(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    await setup_entry()
    unavailable = Problem(502, "enode-unavailable", {"command": make_command(state="sending")})
    with relay.failing("charging", with_=unavailable), pytest.raises(HomeAssistantError):
        await call_switch_action(hass, SERVICE_TURN_OFF)
    assert get_states(hass) == ("off", "on", "charging")


async def test_only_capable_vehicles_have_a_switch(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    assert {state.entity_id for state in hass.states.async_all("switch")} == {SWITCH, "switch.hyundai_charging"}
    assert relay.records[HYUNDAI]["vehicle"]["capabilities"]["startCharging"]["isCapable"] is False


async def test_outcome_is_polled_without_stream(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    entry = await setup_entry()
    await stop_stream(hass, relay, entry)
    await call_switch_action(hass, SERVICE_TURN_OFF)
    assert get_states(hass) == ("off", "on", "charging")
    path = f"/commands/{make_command()['id']}"

    async def advance_to_check(seconds: int) -> None:
        """Advance time until the next check. Repeat if the wait began late because the previous response did."""
        before = len(relay.get_requests(path))
        for _ in range(3):
            await advance_time(hass, freezer, timedelta(seconds=seconds))
            with suppress(AssertionError):
                await wait_until(lambda: len(relay.get_requests(path)) > before, within=1)
                return

    await advance_to_check(6)
    assert len(relay.get_requests(path)) == 1
    with relay.failing("command", with_=Problem(503, "unavailable")):
        await advance_to_check(11)
    assert len(relay.get_requests(path)) == 2
    relay.commands[make_command()["id"]] = make_command(state="confirmed")
    relay.records[TESLA] = make_record(TESLA, 2, vehicle=STOPPED, command=make_command(state="confirmed"))
    await advance_to_check(16)
    await wait_for_state(hass, STATE, "stopped")
    assert get_states(hass) == ("off", "off", "stopped")
    assert len(relay.get_requests("/vehicles")) == 1


async def test_outcome_is_not_polled_once_the_stream_is_back(
    hass: HomeAssistant, relay: RelayDouble, *, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    entry = await setup_entry()
    await stop_stream(hass, relay, entry)
    await call_switch_action(hass, SERVICE_TURN_OFF)
    relay.records[TESLA] = make_record(TESLA, 2, command=make_command(state="pending"))
    del relay.problems["stream"]
    await wait_until(lambda: entry.runtime_data.coordinator.is_streaming)
    await advance_time(hass, freezer, timedelta(seconds=6))
    checks = [task for task in entry._background_tasks if task.get_name() == "evconduit command"]
    await wait_until(lambda: all(check.done() for check in checks))
    assert relay.get_requests("/commands/" + make_command()["id"]) == []


async def test_outcome_of_a_replaced_command_is_not_polled(
    hass: HomeAssistant, relay: RelayDouble, *, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    entry = await setup_entry()
    await stop_stream(hass, relay, entry)
    await call_switch_action(hass, SERVICE_TURN_OFF)
    relay.records[TESLA] = make_record(TESLA, 2, command=make_command(id="c2", kind="START"))
    await entry.runtime_data.coordinator.async_refresh()
    assert get_states(hass) == ("on", "on", "charging")
    await advance_time(hass, freezer, timedelta(seconds=6))
    checks = [task for task in entry._background_tasks if task.get_name() == "evconduit command"]
    await wait_until(lambda: all(check.done() for check in checks))
    assert [request for request in relay.requests if "/commands/" in request.path] == []


def test_outcome_is_checked_soon_and_for_half_an_hour():
    """Vendors take up to half an hour."""
    delays = vehicle_coordinator.COMMAND_CHECK_DELAYS
    assert list(delays) == sorted(delays)
    assert delays[0] == timedelta(seconds=5)
    assert sum(delays, timedelta()) >= timedelta(minutes=30)


async def test_outcome_polling_ends(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(vehicle_coordinator, "COMMAND_CHECK_DELAYS", (timedelta(0),) * 3)
    entry = await setup_entry()
    await stop_stream(hass, relay, entry)
    await call_switch_action(hass, SERVICE_TURN_OFF)
    await wait_until(lambda: not [task for task in entry._background_tasks if task.get_name() == "evconduit command"])
    assert len(relay.get_requests("/commands/" + make_command()["id"])) == 3


async def test_last_command_wins(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    await call_switch_action(hass, SERVICE_TURN_OFF)
    await call_switch_action(hass, SERVICE_TURN_ON)
    assert get_states(hass)[0] == "on"
    assert [request.body["action"] for request in relay.get_requests("/charging")] == ["STOP", "START"]


async def test_command_does_not_wait_for_that_of_another_vehicle(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    """A car may take a minute. Commands to the same car are sent one after the other."""
    await setup_entry()
    may_respond = asyncio.Event()

    async def hold_first_response() -> None:
        if len(relay.get_requests("/charging")) == 1:
            await may_respond.wait()

    relay.before_response["charging"] = hold_first_response
    first = hass.async_create_task(call_switch_action(hass, SERVICE_TURN_OFF))
    await wait_until(lambda: len(relay.get_requests("/charging")) == 1)
    second = hass.async_create_task(call_switch_action(hass, SERVICE_TURN_ON))
    async with asyncio.timeout(5):
        await call_switch_action(hass, SERVICE_TURN_OFF, "switch.hyundai_charging")
    assert not first.done()
    assert not second.done()
    may_respond.set()
    await asyncio.gather(first, second)
    sent = [(request.path.split("/")[-2], request.body["action"]) for request in relay.get_requests("/charging")]
    assert sent == [(TESLA, "STOP"), (HYUNDAI, "STOP"), (TESLA, "START")]


@pytest.mark.parametrize(
    ("problem", "changes"),
    [
        (Problem(422, "command-refused", {"reason": {"type": "NOT_PLUGGED_IN", "detail": "Not plugged in."}}), {}),
        (Problem(429, "quota-exhausted"), {}),
        (Problem(401, "unauthorized"), {}),
        (None, {"state": "failed"}),  # accepted, and cancelled at once
    ],
)
@pytest.mark.parametrize("service", [SERVICE_TURN_ON, SERVICE_TURN_OFF])
async def test_state_is_written_again_after_a_refused_command(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, problem: Problem | None, changes, service: str
):
    """Otherwise the frontend goes on to show the requested state: it receives no unchanged state."""
    if service == SERVICE_TURN_ON:
        relay.records[TESLA] = make_record(TESLA, vehicle=STOPPED)
    await setup_entry()
    before = hass.states.get(SWITCH)
    assert before is not None
    events = async_capture_events(hass, EVENT_STATE_CHANGED)
    relay.command_changes = changes
    with relay.failing(*["charging"] * bool(problem), with_=problem or Problem(500)), pytest.raises(HomeAssistantError):
        await call_switch_action(hass, service)
    await hass.async_block_till_done()
    written = [event.data["new_state"] for event in events if event.data["entity_id"] == SWITCH]
    assert [state.state for state in written] == [before.state]
    assert written[0].last_updated > before.last_updated
    assert "force_update" not in written[0].attributes
