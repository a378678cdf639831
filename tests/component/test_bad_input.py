"""What a person sees when the relay answers wrongly, or not at all: at each door, the state of the entry and entities.

The doors: setup without and with a stored state, a running entry, messages of the stream, the stored state, commands.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import (
    MINUTE,
    RENAULT_BATTERY,
    TESLA_BATTERY,
    TESLA_BATTERY_ENERGY,
    SetupEntry,
    advance_time,
    disconnect_stream,
    get_state,
    make_renault_record,
    make_tesla_record,
    wait_for_state,
    wait_until,
)
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import TESLA, Problem, RelayDouble, make_record

from custom_components.evconduit.const import DOMAIN

SWITCH = "switch.blue_car_charging"
CHARGING_STATE = "sensor.blue_car_charging_state"
PNG = b"\x89PNG\r\n\x1a\n\x00"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A wrong answer to every request. `needs_credential`: only the user can resolve it, by another credential."""

    name: str
    problem: Problem
    needs_credential: bool = False


ROWS = (
    Row(name="an empty body", problem=Problem(200, body=b"")),
    Row(name="no JSON", problem=Problem(200, body=b"<html>Sign in to the hotel's Wi-Fi</html>")),
    Row(name="another server's page", problem=Problem(200, body=b"<html></html>", is_relay=False)),
    Row(name="half a response", problem=Problem(200, body=b'{"id": "5b1f')),
    Row(name="members of wrong types", problem=Problem(200, body=b'{"id": 5, "vehicles": {}, "account": []}')),
    Row(name="deep nesting", problem=Problem(200, body=b"[" * 5000 + b"]" * 5000)),
    Row(name="a redirect", problem=Problem(302, headers={"Location": "/login"}, is_relay=False)),
    Row(name="400", problem=Problem(400, "invalid-request")),
    Row(name="401", problem=Problem(401, "unauthorized"), needs_credential=True),
    Row(name="401 of a gateway", problem=Problem(401, is_relay=False)),
    Row(name="402", problem=Problem(402, "payment-required")),
    Row(name="403, plan required", problem=Problem(403, "plan-required")),
    Row(name="403", problem=Problem(403, "forbidden"), needs_credential=True),
    Row(name="403 of a gateway", problem=Problem(403, is_relay=False)),
    Row(name="403, account disabled", problem=Problem(403, "account-disabled")),
    Row(name="404", problem=Problem(404, "not-found")),
    Row(name="404 of a gateway", problem=Problem(404, is_relay=False)),
    Row(name="429", problem=Problem(429, "too-many-requests")),
    Row(name="429 with a delay", problem=Problem(429, "too-many-requests", headers={"Retry-After": "60"})),
    Row(name="429 with garbage", problem=Problem(429, "too-many-requests", headers={"Retry-After": "soon"})),
    Row(name="500", problem=Problem(500, "internal")),
    Row(name="501 with garbage", problem=Problem(501, body=PNG)),
    Row(name="502", problem=Problem(502, is_relay=False)),
    Row(name="503", problem=Problem(503, "unavailable", headers={"Retry-After": "5"})),
)
DOORS = ("account", "stream", "vehicles")
by_name = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
KINDS = ("no JSON", "members of wrong types", "401", "402", "403", "404", "429 with a delay", "500", "502", "503")
by_kind = pytest.mark.parametrize("row", [row for row in ROWS if row.name in KINDS], ids=lambda row: row.name)
"""The rows of which the others are variants."""


def list_tracebacks(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.exc_info and record.levelname != "DEBUG"]


def store_state(hass_storage: dict[str, Any], relay: RelayDouble, entry: MockConfigEntry, **changes: Any) -> None:
    """Store a state as of an earlier run, with one vehicle."""
    key = f"{DOMAIN}.{entry.entry_id}"
    contact_at = dt_util.utcnow().isoformat()
    data = {"account": relay.account, "vehicles": [make_record(TESLA)], "cursor": "e1.41", "contact_at": contact_at}
    hass_storage[key] = {"version": 1, "minor_version": 1, "key": key, "data": data | changes}


@by_name
async def test_setup_without_stored_state(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, row: Row, caplog: pytest.LogCaptureFixture
):
    """The user is asked for a credential, or Home Assistant tries again."""
    with relay.failing(*DOORS, with_=row.problem):
        entry = await setup_entry()
        expected = ConfigEntryState.SETUP_ERROR if row.needs_credential else ConfigEntryState.SETUP_RETRY
        assert (entry.state, bool(hass.config_entries.flow.async_progress())) == (expected, row.needs_credential)
        assert entry.reason
        assert list_tracebacks(caplog) == []


@by_name
@pytest.mark.usefixtures("short_snapshot_timeout")
async def test_setup_with_stored_state(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    entry: MockConfigEntry,
    *,
    freezer: FrozenDateTimeFactory,
    hass_storage: dict[str, Any],
    row: Row,
    caplog: pytest.LogCaptureFixture,
):
    """The last values are shown until 15 minutes after the last contact, and again when the relay responds."""
    store_state(hass_storage, relay, entry)
    with relay.failing(*DOORS, with_=row.problem):
        await setup_entry()
        if row.needs_credential:
            assert entry.state is ConfigEntryState.SETUP_ERROR
            assert [flow["context"]["source"] for flow in hass.config_entries.flow.async_progress()] == ["reauth"]
            return
        assert entry.state is ConfigEntryState.LOADED
        assert (get_state(hass, TESLA_BATTERY), get_state(hass, SWITCH)) == ("57", "on")
        await advance_time(hass, freezer, 14 * MINUTE)
        assert get_state(hass, TESLA_BATTERY) == "57"
        await advance_time(hass, freezer, MINUTE)
        assert (get_state(hass, TESLA_BATTERY), get_state(hass, SWITCH)) == (STATE_UNAVAILABLE, STATE_UNAVAILABLE)
    assert list_tracebacks(caplog) == []


@by_kind
async def test_running_entry(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    freezer: FrozenDateTimeFactory,
    row: Row,
    caplog: pytest.LogCaptureFixture,
):
    """Entities keep their values for 15 minutes. Only a refused credential asks the user for something."""
    entry = await setup_entry()
    with relay.failing(*DOORS, with_=row.problem):
        relay.break_streams()
        coordinator = entry.runtime_data.coordinator
        await wait_until(lambda: not coordinator.is_streaming)
        await wait_until(lambda: len(relay.get_requests("/stream")) > 1)
        await hass.async_block_till_done()
        assert get_state(hass, TESLA_BATTERY) == "57"
        await wait_until(lambda: bool(hass.config_entries.flow.async_progress()) is row.needs_credential)
        await advance_time(hass, freezer, 15 * MINUTE)
        assert get_state(hass, TESLA_BATTERY) == STATE_UNAVAILABLE
        assert entry.state is ConfigEntryState.LOADED
    assert list_tracebacks(caplog) == []


@pytest.mark.usefixtures("short_snapshot_timeout")
@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(0), "57"),
        (timedelta(minutes=14), "57"),
        (timedelta(minutes=15), STATE_UNAVAILABLE),
        (timedelta(days=3), STATE_UNAVAILABLE),
        (timedelta(days=-1), "57"),  # the clock was wrong
    ],
)
async def test_stored_values_are_shown_while_they_are_valid(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    entry: MockConfigEntry,
    *,
    hass_storage: dict[str, Any],
    age: timedelta,
    expected: str,
    freezer: FrozenDateTimeFactory,
):
    """Entities exist in any case, and get their values when the relay responds."""
    store_state(hass_storage, relay, entry, contact_at=(dt_util.utcnow() - age).isoformat())
    with relay.failing(*DOORS, with_=Problem(502, is_relay=False)):
        await setup_entry()
        assert entry.state is ConfigEntryState.LOADED
        assert get_state(hass, TESLA_BATTERY) == expected
        assert er.async_get(hass).async_get(TESLA_BATTERY) is not None
    await wait_for_state(hass, RENAULT_BATTERY, relay_level(relay))
    assert get_state(hass, TESLA_BATTERY) == "57"


def relay_level(relay: RelayDouble) -> str:
    """Return the battery level of the vehicle that isn't in the stored state."""
    return str(relay.snapshot()["vehicles"][2]["vehicle"]["chargeState"]["batteryLevel"])


@pytest.mark.usefixtures("short_snapshot_timeout")
async def test_relay_that_never_answers_delays_setup_only_for_the_request(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, entry: MockConfigEntry, hass_storage
):
    store_state(hass_storage, relay, entry)
    await relay.close()
    await setup_entry()
    assert entry.state is ConfigEntryState.LOADED
    assert get_state(hass, TESLA_BATTERY) == "57"


@pytest.mark.parametrize("push", [True, False])
@pytest.mark.usefixtures("short_snapshot_timeout")
async def test_stored_contact_survives_restarts_without_relay(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    entry: MockConfigEntry,
    *,
    freezer: FrozenDateTimeFactory,
    push: bool,
):
    """Restarts don't make old values valid again."""
    relay.account["push"] = push
    await setup_entry()
    restarts = ((4 * MINUTE, "57"), (12 * MINUTE if push else timedelta(hours=3), STATE_UNAVAILABLE))
    with relay.failing(*DOORS, with_=Problem(502, is_relay=False)):
        for delta, state in restarts:
            await hass.config_entries.async_unload(entry.entry_id)
            await advance_time(hass, freezer, delta)
            await hass.config_entries.async_setup(entry.entry_id)
            assert get_state(hass, TESLA_BATTERY) == state


UNKNOWN_VALUES: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("an enum value added later", {"powerDeliveryState": "PLUGGED_IN:WIRELESS"}, CHARGING_STATE, STATE_UNKNOWN),
    ("an enum value in another case", {"powerDeliveryState": "unplugged"}, CHARGING_STATE, STATE_UNKNOWN),
    ("a number in place of a word", {"powerDeliveryState": 7}, CHARGING_STATE, STATE_UNKNOWN),
    ("a word in place of a number", {"batteryLevel": "57"}, TESLA_BATTERY, STATE_UNKNOWN),
    ("true in place of a number", {"batteryLevel": True}, TESLA_BATTERY, STATE_UNKNOWN),
    ("a list in place of a number", {"batteryLevel": [57]}, TESLA_BATTERY, STATE_UNKNOWN),
    ("null", {"batteryLevel": None}, TESLA_BATTERY, STATE_UNKNOWN),
    ("a word in place of a flag", {"isPluggedIn": "yes"}, "binary_sensor.blue_car_plugged_in", STATE_UNKNOWN),
    ("a member added later", {"cellVoltages": [3.9]}, TESLA_BATTERY, "57"),
)


@pytest.mark.parametrize(
    ("changes", "entity_id", "state"), [row[1:] for row in UNKNOWN_VALUES], ids=[row[0] for row in UNKNOWN_VALUES]
)
async def test_value_that_is_not_understood_is_unknown_and_the_others_stay(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    changes: dict[str, Any],
    entity_id: str,
    state: str,
    caplog: pytest.LogCaptureFixture,
):
    await setup_entry()
    relay.push_record(make_record(TESLA, 2, vehicle={"chargeState": {"range": 123} | changes}))
    await wait_for_state(hass, "sensor.blue_car_range", "123")
    assert get_state(hass, entity_id) == state
    assert get_state(hass, "sensor.blue_car_odometer") not in {STATE_UNKNOWN, STATE_UNAVAILABLE}
    assert list_tracebacks(caplog) == []


ODD_RECORDS: dict[str, tuple[dict[str, Any], str]] = {
    "a vehicle that is null": ({"vehicle": None}, STATE_UNKNOWN),
    "a vehicle that is a word": ({"vehicle": "car"}, STATE_UNKNOWN),
    "a link state added later": ({"link": {"state": "paused"}}, "12"),
    "no link": ({"link": None}, "12"),
    "a command of a kind added later": ({"command": {"id": "c", "kind": "HONK", "state": "pending"}}, "12"),
    "a command state added later": ({"command": {"id": "c", "kind": "STOP", "state": "queued"}}, "12"),
    "interventions of wrong types": ({"interventions": [5, {"id": None}, {"title": []}]}, "12"),
    "members added later": ({"tyres": {"front": 2.4}}, "12"),
}


@pytest.mark.parametrize("name", ODD_RECORDS)
async def test_record_that_is_partly_not_understood(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, name: str, caplog: pytest.LogCaptureFixture
):
    changes, state = ODD_RECORDS[name]
    await setup_entry()
    relay.push_record(make_tesla_record(2, 12) | changes)
    await wait_for_state(hass, TESLA_BATTERY, state)
    assert get_state(hass, SWITCH) != STATE_UNAVAILABLE
    relay.push_record(make_renault_record(3, 34))
    await wait_for_state(hass, RENAULT_BATTERY, "34")
    assert list_tracebacks(caplog) == []


def render_event(event: str, data: Any, id_: str = "e1.900") -> bytes:
    return f"event: {event}\nid: {id_}\ndata: {json.dumps(data)}\n\n".encode()


HARMLESS_BYTES = {
    "an event added later": render_event("weather", {"sun": True}),
    "an event without data": b"event: vehicle\n\n",
    "a comment": b": 15 s\n\n",
    "a transition of a type added later": render_event(
        "transition", {"vehicle_id": TESLA, "type": "washed", "occurred_at": "x", "replayed": 1}
    ),
    "a transition of an unknown vehicle": render_event(
        "transition", {"vehicle_id": "x", "type": "plugged_in", "occurred_at": None, "replayed": False}
    ),
    "the removal of an unknown vehicle": render_event("vehicle_removed", {"id": "x", "reason": "new"}),
}
"""The connection stays open."""

FATAL_BYTES = {
    "half an event": b"event: vehicle\ndata: {",
    "data that is no JSON": b"event: vehicle\ndata: {oops\n\n",
    "a record without id": render_event("vehicle", {"revision": 5, "vehicle": {}}),
    "a record without revision": render_event("vehicle", {"id": TESLA, "vehicle": {}}),
    "a revision that is a word": render_event("vehicle", make_record(TESLA) | {"revision": "9"}),
    "a snapshot without vehicles": render_event("snapshot", {"account": {"id": "a"}}),
    "a snapshot with half a vehicle": render_event("snapshot", {"account": {"id": "a"}, "vehicles": [{"id": TESLA}]}),
    "a removal without id": render_event("vehicle_removed", {"reason": "unlinked"}),
    "bytes": b"\xff\xfe\x00\n\ndata: \xff\n\nevent: vehicle\ndata: \xff\n\n",
}
"""The connection is closed, and the next one begins with a complete state."""


@pytest.mark.parametrize("name", HARMLESS_BYTES)
async def test_message_that_is_not_understood_is_skipped(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, name: str, caplog: pytest.LogCaptureFixture
):
    await setup_entry()
    relay.write(HARMLESS_BYTES[name])
    relay.push_record(make_tesla_record(2, 61))
    await wait_for_state(hass, TESLA_BATTERY, "61")
    assert len(relay.get_requests("/stream")) == 1
    assert list_tracebacks(caplog) == []


@pytest.mark.parametrize("name", FATAL_BYTES)
async def test_stream_that_breaks_is_opened_again_and_loses_nothing(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, name: str, caplog: pytest.LogCaptureFixture
):
    """States stay: nothing is removed and nothing becomes unavailable."""
    await setup_entry()
    before = {state.entity_id: state.state for state in hass.states.async_all()}
    relay.write(FATAL_BYTES[name])
    relay.break_streams()
    relay.records[TESLA] = make_tesla_record(2, 61)
    await wait_for_state(hass, TESLA_BATTERY, "61")
    after = {state.entity_id: state.state for state in hass.states.async_all()}
    assert after == before | {TESLA_BATTERY: "61", TESLA_BATTERY_ENERGY: "35.075"}
    assert len(relay.get_requests("/stream")) >= 2
    assert list_tracebacks(caplog) == []


REPEATED = {
    "the same revision twice": [make_tesla_record(5, 61), make_tesla_record(5, 20)],
    "an older revision": [make_tesla_record(5, 61), make_tesla_record(4, 20)],
    "an older one between two": [make_tesla_record(5, 60), make_tesla_record(1, 20), make_tesla_record(6, 61)],
}


@pytest.mark.parametrize("name", REPEATED)
async def test_duplicates_and_old_revisions_change_nothing(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, name: str
):
    await setup_entry()
    for record in REPEATED[name]:
        relay.send("vehicle", record)
    relay.send("vehicle", make_renault_record(9, 34))
    await wait_for_state(hass, RENAULT_BATTERY, "34")
    assert get_state(hass, TESLA_BATTERY) == "61"


STORED = {
    "of a newer version": {"version": 2},
    "of a much newer version": {"version": 99, "minor_version": 7},
    "of another form": {"data": ["another", "form"]},
    "without account": {"data": {"vehicles": [], "cursor": "e1.1"}},
    "with half a vehicle": {"data": {"account": {"id": "x"}, "vehicles": [{"id": TESLA}]}},
    "without data": {"data": None},
}


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("is_away", [False, True])
async def test_stored_state_that_is_not_understood(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    entry: MockConfigEntry,
    *,
    hass_storage: dict[str, Any],
    name: str,
    is_away: bool,
    caplog: pytest.LogCaptureFixture,
):
    """It is a cache: setup works as without it."""
    store_state(hass_storage, relay, entry)
    hass_storage[f"{DOMAIN}.{entry.entry_id}"] |= STORED[name]
    if is_away:
        with relay.failing(*DOORS, with_=Problem(502, is_relay=False)):
            await setup_entry()
        assert entry.state is ConfigEntryState.SETUP_RETRY
    else:
        await setup_entry()
        assert entry.state is ConfigEntryState.LOADED
        assert get_state(hass, TESLA_BATTERY) == "57"
    if "newer version" in name:
        lines = [record.getMessage() for record in caplog.get_records("call") if record.levelname == "WARNING"]
        assert [line for line in lines if line.startswith("Ignoring the stored state of the vehicles")] != []
    assert list_tracebacks(caplog) == []


@by_kind
async def test_command(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, row: Row, caplog: pytest.LogCaptureFixture
):
    """An error with a translation; the switch shows what the car reports."""
    await setup_entry()
    with relay.failing("charging", with_=row.problem), pytest.raises(HomeAssistantError) as raised:
        await hass.services.async_call("switch", "turn_off", {"entity_id": SWITCH}, blocking=True)
    assert (raised.value.translation_domain, bool(raised.value.translation_key)) == (DOMAIN, True)
    assert get_state(hass, SWITCH) == "on"
    flows = [flow["context"]["source"] for flow in hass.config_entries.flow.async_progress()]
    assert flows == (["reauth"] if row.problem.status == 401 and row.problem.is_relay else [])
    assert list_tracebacks(caplog) == []


async def test_stream_closed_in_the_middle_of_an_event(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    """The half is dropped, not joined with what the next connection sends."""
    entry = await setup_entry()
    whole = render_event("vehicle", make_tesla_record(2, 99))
    relay.write(whole[:-2])
    await disconnect_stream(hass, relay, entry)
    await wait_until(lambda: entry.runtime_data.coordinator.is_streaming)
    relay.push_record(make_renault_record(3, 34))
    await wait_for_state(hass, RENAULT_BATTERY, "34")
    assert get_state(hass, TESLA_BATTERY) == "57"
