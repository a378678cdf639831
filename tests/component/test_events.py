"""The event entities: what the relay reports as transitions, each once, while an automation can still react."""

import json
from datetime import timedelta
from typing import Any

import pytest
from control_double import make_transition
from freezegun.api import FrozenDateTimeFactory
from helpers import MINUTE, SetupEntry, advance_time, get_state, wait_until
from homeassistant.const import ATTR_ENTITY_ID, EVENT_STATE_CHANGED, SERVICE_TURN_OFF, STATE_UNKNOWN
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events
from relay_double import HYUNDAI, TESLA, Problem, RelayDouble, make_account, make_command, make_record

from custom_components.evconduit import vehicle_coordinator
from custom_components.evconduit.command_events import EVENT_COMMAND_FAILED
from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.logbook import async_describe_events

CHARGING = "event.blue_car_charging"
COMMAND = "event.blue_car_command"
REASON = {"type": "NO_RESPONSE", "detail": "The vehicle did not respond in time."}
HOUR = timedelta(hours=1)


@pytest.fixture
def fired(hass: HomeAssistant) -> list[tuple[str, str]]:
    """The event types that the entities fired, with the entity, in order."""
    types: list[tuple[str, str]] = []

    @callback
    def record(event: Event[Any]) -> None:
        state, old = event.data["new_state"], event.data["old_state"]
        is_new = state is not None and state.domain == "event" and state.state not in {STATE_UNKNOWN, "unavailable"}
        if is_new and (old is None or old.state != state.state):
            types.append((state.object_id.removeprefix("blue_car_"), state.attributes["event_type"]))

    hass.bus.async_listen(EVENT_STATE_CHANGED, record)
    return types


async def send_and_apply(hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, *transitions: dict) -> None:
    """Send transitions on the stream and wait until they are applied."""
    received = entry.runtime_data.stream.received
    expected = received["Transition"] + len(transitions)
    for transition in transitions:
        relay.send("transition", transition)
    await wait_until(lambda: received["Transition"] == expected)
    await hass.async_block_till_done()


@pytest.mark.parametrize(
    ("transition", "event_type"),
    [
        ("plugged_in", "plugged_in"),
        ("unplugged", "unplugged"),
        ("charging_started", "started"),
        ("charging_stopped", "stopped"),
        ("charging_completed", "completed"),
        ("charging_fault", "fault"),
    ],
)
async def test_each_transition_of_the_relay_fires_an_event(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    fired: list[tuple[str, str]],
    *,
    transition: str,
    event_type: str,
):
    entry = await setup_entry()
    assert get_state(hass, CHARGING) == STATE_UNKNOWN
    sent = make_transition(transition, occurred_at="2026-11-20T18:00:00.000Z")
    await send_and_apply(hass, relay, entry, sent, make_transition("added_later"))
    assert fired == [("charging", event_type)]
    assert hass.states.get(CHARGING).attributes["occurred_at"] == "2026-11-20T18:00:00+00:00"


async def test_transition_of_one_vehicle_fires_nothing_for_another(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    entry = await setup_entry()
    await send_and_apply(hass, relay, entry, make_transition("plugged_in", HYUNDAI), make_transition("x", "gone"))
    assert get_state(hass, CHARGING) == STATE_UNKNOWN


@pytest.mark.parametrize(
    ("age", "occurred", "expected"),
    [
        (timedelta(minutes=9), timedelta(minutes=9), 1),
        (timedelta(minutes=11), timedelta(minutes=11), 0),
        (timedelta(minutes=9), timedelta(hours=5), 1),  # the manufacturer's report was late
    ],
)
async def test_age_counts_from_when_the_relay_stored_the_transition(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    fired: list[tuple[str, str]],
    *,
    age: timedelta,
    occurred: timedelta,
    expected: int,
):
    entry = await setup_entry()
    occurred_at = make_transition("x", age=occurred)["occurred_at"]
    await send_and_apply(
        hass, relay, entry, make_transition("charging_completed", age=age, occurred_at=occurred_at, replayed=True)
    )
    assert len(fired) == expected


async def test_age_is_by_the_relays_clock(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, fired: list[tuple[str, str]]
):
    """Home Assistant's clock is an hour ahead: by it, each transition would be too old."""
    now = relay.now
    relay.now = lambda: now() - HOUR
    entry = await setup_entry()
    await send_and_apply(hass, relay, entry, make_transition("plugged_in", age=HOUR))
    assert fired == [("charging", "plugged_in")]


@pytest.mark.parametrize("at", [{"recorded_at": None}, {"recorded_at": None, "occurred_at": None}])
async def test_relay_without_recorded_time_counts_from_when_it_occurred(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, fired: list[tuple[str, str]], at: dict[str, None]
):
    entry = await setup_entry()
    await send_and_apply(hass, relay, entry, make_transition("plugged_in", **at))
    assert len(fired) == (1 if "occurred_at" not in at else 0)


async def test_transition_replayed_during_setup_fires(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, fired: list[tuple[str, str]]
):
    """The stream sends it right after the snapshot, before the entities are added."""
    snapshot = f"event: snapshot\nid: e1.1\ndata: {json.dumps(relay.snapshot())}\n\n"
    transition = f"event: transition\nid: e1.2\ndata: {json.dumps(make_transition('plugged_in', replayed=True))}\n\n"
    relay.sent_at_connect = (snapshot + transition).encode()
    await setup_entry()
    await wait_until(lambda: fired)
    assert fired == [("charging", "plugged_in")]


async def test_same_transition_from_another_channel_fires_once(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, fired: list[tuple[str, str]]
):
    entry = await setup_entry()
    sent = make_transition("plugged_in")
    await send_and_apply(hass, relay, entry, sent)
    coordinator = entry.runtime_data.coordinator
    relay.transitions = [sent | {"id": coordinator.cursor}]
    snapshot = await entry.runtime_data.client.get_snapshot(None, "e1.0")
    coordinator.async_apply_poll(snapshot, since=coordinator.async_mark_request())
    await hass.async_block_till_done()
    assert fired == [("charging", "plugged_in")]


async def test_plan_without_push_gets_transitions_by_polling(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    freezer: FrozenDateTimeFactory,
    fired: list[tuple[str, str]],
):
    relay.account = make_account(push=False)
    relay.problems["stream"] = Problem(403, "plan-required")
    entry = await setup_entry()
    relay.transitions = [
        make_transition("plugged_in", age=-HOUR) | {"id": "e1.7"},
        make_transition("charging_completed", age=-HOUR) | {"id": "e1.8"},
    ]
    await advance_time(hass, freezer, 70 * MINUTE)
    await wait_until(lambda: len(fired) == 2)
    assert fired == [("charging", "plugged_in"), ("charging", "completed")]
    assert entry.runtime_data.coordinator.cursor == "e1.8"
    await advance_time(hass, freezer, 70 * MINUTE)
    await wait_until(lambda: any(request.body == {"transitions_after": "e1.8"} for request in relay.requests))
    await hass.async_block_till_done()
    assert len(fired) == 2


@pytest.mark.parametrize("outcome", ["confirmed", "failed", "cancelled", "unknown"])
async def test_outcome_of_a_command_is_an_event_with_its_reason(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, fired: list[tuple[str, str]], outcome: str
):
    entry = await setup_entry()
    reason = None if outcome == "confirmed" else REASON
    command = make_command(kind="START", state=outcome, reason=reason)
    await send_and_apply(hass, relay, entry, make_transition("command_settled", command=command))
    assert fired == [("command", outcome)]
    attributes = hass.states.get(COMMAND).attributes
    assert (attributes["command"], attributes["command_id"]) == ("start_charging", command["id"])
    assert (attributes["reason"], attributes["detail"]) == ((None, None) if reason is None else (*REASON.values(),))


async def test_outcome_of_an_earlier_command_is_that_of_its_own(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, fired: list[tuple[str, str]]
):
    """The record only has the newest command, which is still open."""
    entry = await setup_entry()
    relay.push_record(make_record(TESLA, 2, command=make_command(id="newer", kind="START")))
    earlier = make_command(kind="STOP", state="cancelled", reason={"type": "CONFLICT", "detail": "Another command."})
    await send_and_apply(hass, relay, entry, make_transition("command_settled", command=earlier))
    assert fired == [("command", "cancelled")]
    assert hass.states.get(COMMAND).attributes["command"] == "stop_charging"


async def test_relay_that_sends_no_command_means_the_newest(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, fired: list[tuple[str, str]]
):
    entry = await setup_entry()
    await send_and_apply(hass, relay, entry, make_transition("command_settled"))
    assert fired == []
    relay.push_record(make_record(TESLA, 2, command=make_command(kind="MAX_CURRENT", amps=10, state="confirmed")))
    await send_and_apply(hass, relay, entry, make_transition("command_settled"))
    assert fired == [("command", "confirmed")]
    assert (hass.states.get(COMMAND).attributes["command"], hass.states.get(COMMAND).attributes["amps"]) == (
        "set_max_current",
        10,
    )


async def test_outcome_found_by_a_check_fires_once(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    monkeypatch: pytest.MonkeyPatch,
    fired: list[tuple[str, str]],
):
    """Without a stream, the command is requested. The next poll has its transition as well."""
    monkeypatch.setattr(vehicle_coordinator, "COMMAND_CHECK_DELAYS", (timedelta(milliseconds=1),) * 100)
    relay.account = make_account(push=False)
    relay.problems["stream"] = Problem(403, "plan-required")
    entry = await setup_entry()
    settled = make_command(state="failed", reason=REASON)
    relay.transitions = [make_transition("command_settled", command=settled) | {"id": "e1.9"}]
    await hass.services.async_call(
        "switch", SERVICE_TURN_OFF, {ATTR_ENTITY_ID: "switch.blue_car_charging"}, blocking=True
    )
    relay.commands[settled["id"]] = settled
    await wait_until(lambda: fired)
    await entry.runtime_data.coordinator.async_refresh()
    await hass.async_block_till_done()
    assert entry.runtime_data.coordinator.cursor == "e1.9"
    assert fired == [("command", "failed")]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (make_command(kind="START", state="failed", reason=REASON), f"didn't start charging: {REASON['detail']}"),
        (
            make_command(kind="STOP", state="cancelled", reason={"type": "CONFLICT", "detail": ""}),
            "didn't stop charging, because the command was cancelled: CONFLICT",
        ),
        (
            make_command(kind="MAX_CURRENT", state="unknown"),
            "didn't report whether it could set the maximum current",
        ),
        (make_command(kind="NEW", state="new"), "didn't report whether it could carry out a command"),
        (make_command(state="confirmed"), None),
    ],
)
async def test_command_that_was_not_carried_out_is_in_the_logbook(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    device_registry: dr.DeviceRegistry,
    *,
    command: dict[str, Any],
    message: str | None,
):
    entry = await setup_entry()
    events = async_capture_events(hass, EVENT_COMMAND_FAILED)
    await send_and_apply(hass, relay, entry, make_transition("command_settled", command=command))
    described = [describe(hass, event) for event in events]
    assert described == ([] if message is None else [{"name": "Blue car", "message": message}])
    device = device_registry.async_get_device_by_identifier((DOMAIN, TESLA), entry.entry_id)
    assert all(event.data["device_id"] == device.id for event in events)


def describe(hass: HomeAssistant, event: Event[Any]) -> dict[str, Any]:
    describers: dict[str, Any] = {}
    async_describe_events(hass, lambda _domain, name, describer: describers.update({name: describer}))
    return describers[event.event_type](event)


async def test_command_without_a_described_kind_reads_well(hass: HomeAssistant):
    """A kind that a later relay adds."""
    data = {"name": "Blue car", "command": None, "outcome": "failed", "detail": None, "reason": None}
    assert describe(hass, Event(EVENT_COMMAND_FAILED, data))["message"] == "didn't carry out a command"


async def test_command_of_a_car_whose_device_was_deleted_is_not_in_the_logbook(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, device_registry: dr.DeviceRegistry
):
    entry = await setup_entry()
    events = async_capture_events(hass, EVENT_COMMAND_FAILED)
    device = device_registry.async_get_device_by_identifier((DOMAIN, TESLA), entry.entry_id)
    device_registry.async_remove_device(device.id)
    await send_and_apply(hass, relay, entry, make_transition("command_settled", command=make_command(state="failed")))
    assert events == []
