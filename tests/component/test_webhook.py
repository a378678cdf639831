"""Deliveries to the webhook while the stream is down."""

from http import HTTPStatus

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import (
    MINUTE,
    TESLA_BATTERY,
    SetupEntry,
    advance_time,
    disconnect_stream,
    get_state,
    make_tesla_record,
    wait_for_state,
    wait_until,
)
from homeassistant.components.webhook import async_handle_webhook
from homeassistant.const import CONF_WEBHOOK_ID, STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from homeassistant.util.aiohttp import MockRequest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import RENAULT, SECRET, TESLA, Problem, RelayDouble, sign_headers
from webhook_helpers import Post, create_delivery

from custom_components.evconduit import webhook_handler
from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.webhook_registration import CONF_SECRET

pytestmark = pytest.mark.usefixtures("webhook_supported")
NO_STREAM = Problem(502, is_relay=False)


@pytest.fixture
async def loaded_entry(webhook_supported: None, setup_entry: SetupEntry) -> MockConfigEntry:
    entry = await setup_entry()
    await wait_until(lambda: entry.data.get(CONF_SECRET))
    return entry


@pytest.fixture
async def post(hass_client_no_auth, loaded_entry: MockConfigEntry) -> Post:
    return Post(await hass_client_no_auth(), loaded_entry)


@pytest.fixture
def no_stream(relay: RelayDouble, loaded_entry: MockConfigEntry):
    """Break the stream and refuse it for the rest of the test."""
    with relay.failing("stream", with_=NO_STREAM):
        relay.break_streams()
        yield


@pytest.fixture
async def disconnected_entry(no_stream: None, loaded_entry: MockConfigEntry) -> MockConfigEntry:
    await wait_until(lambda: not loaded_entry.runtime_data.coordinator.is_streaming)
    return loaded_entry


@pytest.mark.usefixtures("disconnected_entry")
async def test_delivery_updates_the_vehicle(hass: HomeAssistant, post: Post):
    assert await post(create_delivery(("vehicle", "e1.9", make_tesla_record(9, 61)))) == "msg_1"
    assert get_state(hass, TESLA_BATTERY) == "61"


async def test_message_without_cursor_is_applied_and_keeps_the_cursor(
    hass: HomeAssistant, disconnected_entry: MockConfigEntry, post: Post
):
    await post(create_delivery(("vehicle", "e1.9", make_tesla_record(9, 61))))
    assert await post(create_delivery(("vehicle", None, make_tesla_record(10, 62))), id_="msg_2") == "msg_2"
    assert get_state(hass, TESLA_BATTERY) == "62"
    assert disconnected_entry.runtime_data.coordinator.cursor == "e1.9"


@pytest.mark.usefixtures("disconnected_entry")
async def test_snapshot_after_a_gap_replaces_everything(hass: HomeAssistant, relay: RelayDouble, post: Post):
    del relay.records[RENAULT]
    relay.records[TESLA] = make_tesla_record(3, 33)
    body = create_delivery(
        ("snapshot", "e2.1", relay.snapshot() | {"gap": True}), ("vehicle", "e2.4", make_tesla_record(4, 34))
    )
    assert await post(body) == "msg_1"
    assert get_state(hass, TESLA_BATTERY) == "34"
    assert hass.states.get("sensor.renault_zoe_battery_level") is None


@pytest.mark.usefixtures("disconnected_entry")
async def test_older_message_is_acknowledged_and_ignored(hass: HomeAssistant, post: Post):
    await post(create_delivery(("vehicle", "e1.9", make_tesla_record(9, 61))))
    assert await post(create_delivery(("vehicle", "e1.8", make_tesla_record(8, 40))), id_="msg_2") == "msg_2"
    assert get_state(hass, TESLA_BATTERY) == "61"


async def test_repeated_delivery_is_applied_once(disconnected_entry: MockConfigEntry, hass: HomeAssistant, post: Post):
    body = create_delivery(
        (
            "snapshot",
            "e1.1",
            {"account": disconnected_entry.runtime_data.coordinator.data.raw, "vehicles": [make_tesla_record(2, 40)]},
        )
    )
    assert await post(body) == "msg_1"
    await post(create_delivery(("vehicle", "e1.9", make_tesla_record(9, 61))), id_="msg_2")
    assert await post(body) == "msg_1"
    assert get_state(hass, TESLA_BATTERY) == "61"
    assert disconnected_entry.runtime_data.webhook.get_diagnostics()["taken"] == 2


async def test_number_of_remembered_ids_is_limited(
    disconnected_entry: MockConfigEntry, post: Post, monkeypatch: pytest.MonkeyPatch
):
    """The oldest id is forgotten first: here 1 when 3 arrives, and 2 when 1 arrives again."""
    monkeypatch.setattr(webhook_handler, "MAX_REMEMBERED_IDS", 2)
    for number in (1, 2, 3, 2, 3, 1, 3):
        assert (
            await post(create_delivery(("vehicle", "e1.9", make_tesla_record(9, 61))), id_=f"msg_{number}")
            == f"msg_{number}"
        )
    assert disconnected_entry.runtime_data.webhook.get_diagnostics()["taken"] == 4


@pytest.mark.usefixtures("no_stream")
async def test_stream_resumes_after_the_last_delivery(
    hass: HomeAssistant, relay: RelayDouble, post: Post, disconnected_entry: MockConfigEntry, hass_storage
):
    await post(create_delivery(("vehicle", "e1.9", make_tesla_record(9, 61))))
    assert disconnected_entry.runtime_data.coordinator.cursor == "e1.9"
    relay.records[TESLA] = make_tesla_record(9, 61)
    await wait_until(lambda: relay.get_requests("/stream")[-1].headers.get("Last-Event-ID") == "e1.9")
    await hass.config_entries.async_unload(disconnected_entry.entry_id)
    assert hass_storage[f"{DOMAIN}.{disconnected_entry.entry_id}"]["data"]["cursor"] == "e1.9"


async def test_old_snapshot_does_not_move_the_cursor_back(
    disconnected_entry: MockConfigEntry, relay: RelayDouble, post: Post
):
    await post(create_delivery(("vehicle", "e1.9", make_tesla_record(9, 61))))
    relay.records[TESLA] = make_tesla_record(9, 61)
    removed = {"id": TESLA, "reason": "unlinked"}
    body = create_delivery(("snapshot", "e1.2", relay.snapshot()), ("vehicle_removed", "e1.3", removed))
    assert await post(body, id_="msg_2") == "msg_2"
    assert disconnected_entry.runtime_data.coordinator.cursor == "e1.9"
    assert TESLA in disconnected_entry.runtime_data.coordinator.vehicles


async def test_delivery_is_acknowledged_but_not_applied_while_streaming(
    hass: HomeAssistant, relay: RelayDouble, loaded_entry: MockConfigEntry, post: Post
):
    relay.push_record(make_tesla_record(2, 58))
    await wait_for_state(hass, TESLA_BATTERY, "58")
    body = create_delivery(("snapshot", "e1.2", relay.snapshot() | {"vehicles": []}))
    assert await post(body) == "msg_1"
    assert get_state(hass, TESLA_BATTERY) == "58"


async def test_delivery_is_not_acknowledged_until_a_dead_stream_is_noticed(
    hass: HomeAssistant, relay: RelayDouble, loaded_entry: MockConfigEntry, post: Post
):
    """What the stream has not delivered is not acknowledged, so the relay sends it again."""
    body = create_delivery(("vehicle", "e1.9", make_tesla_record(9, 61)))
    assert await post(body) == HTTPStatus.SERVICE_UNAVAILABLE
    assert get_state(hass, TESLA_BATTERY) == "57"
    with relay.failing("stream", with_=NO_STREAM):
        await disconnect_stream(hass, relay, loaded_entry)
        assert await post(body) == "msg_1"
        assert get_state(hass, TESLA_BATTERY) == "61"


@pytest.mark.usefixtures("no_stream")
async def test_delivery_counts_as_contact(
    hass: HomeAssistant,
    relay: RelayDouble,
    disconnected_entry: MockConfigEntry,
    post: Post,
    freezer: FrozenDateTimeFactory,
):
    with relay.failing("vehicles", with_=NO_STREAM):
        await advance_time(hass, freezer, 14 * MINUTE)
        # The test server uses the frozen clock too, so pass the request to Home Assistant directly.
        body = create_delivery(("vehicle", "e1.9", make_tesla_record(9, 61)))
        headers = sign_headers(body, at=dt_util.utcnow().timestamp())
        request = MockRequest(body, "test", method="POST", headers=headers)
        response = await async_handle_webhook(hass, disconnected_entry.data[CONF_WEBHOOK_ID], request)
        assert response.status == HTTPStatus.OK
        await advance_time(hass, freezer, 14 * MINUTE)
        assert get_state(hass, TESLA_BATTERY) == "61"
        await advance_time(hass, freezer, 20 * MINUTE)
        assert get_state(hass, TESLA_BATTERY) == STATE_UNAVAILABLE


async def test_test_delivery_is_acknowledged(loaded_entry: MockConfigEntry, post: Post):
    assert await post(b'{"type": "test", "cursor": null, "messages": []}') == "msg_1"


@pytest.mark.usefixtures("disconnected_entry")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"type": "changes", "messages": {}}',
        b'{"type": "changes", "messages": [1]}',
        b'{"type": "changes", "messages": [{"id": "e1.9"}]}',
        b'{"type": "changes", "messages": [{"event": "vehicle", "id": "e1.9", "data": {}}]}',
    ],
)
async def test_malformed_delivery_is_rejected(hass: HomeAssistant, post: Post, body: bytes):
    assert await post(body) == HTTPStatus.BAD_REQUEST
    assert get_state(hass, TESLA_BATTERY) == "57"


@pytest.mark.usefixtures("disconnected_entry")
async def test_unknown_message_types_are_skipped(hass: HomeAssistant, post: Post):
    body = create_delivery(
        ("weather", "e1.8", {"sunny": True}), ("bye", "e1.8", {}), ("vehicle", "e1.9", make_tesla_record(9, 61))
    )
    assert await post(body) == "msg_1"
    assert get_state(hass, TESLA_BATTERY) == "61"


@pytest.mark.parametrize("case", ["none", "other secret", "other body", "old", "early"])
async def test_invalid_signature_is_rejected(
    hass: HomeAssistant, disconnected_entry: MockConfigEntry, post: Post, case: str, caplog: pytest.LogCaptureFixture
):
    body = create_delivery(("vehicle", "e1.9", make_tesla_record(9, 61)))
    now = dt_util.utcnow().timestamp()
    headers = {
        "none": {},
        "other secret": sign_headers(body, at=now, secret="whsec_AAAA"),
        "other body": sign_headers(body + b" ", at=now),
        "old": sign_headers(body, at=now - 301),
        "early": sign_headers(body, at=now + 302),
    }[case]
    assert await post(body, headers) == HTTPStatus.UNAUTHORIZED
    assert get_state(hass, TESLA_BATTERY) == "57"
    assert disconnected_entry.runtime_data.webhook.get_diagnostics()["refused"] == 1
    assert "batteryLevel" not in caplog.text


async def test_too_large_body_is_rejected(
    disconnected_entry: MockConfigEntry, post: Post, monkeypatch: pytest.MonkeyPatch
):
    body = create_delivery(("vehicle", "e1.9", make_tesla_record(9, 61)))
    monkeypatch.setattr(webhook_handler, "MAX_BODY_SIZE", len(body))
    assert await post(body) == "msg_1"
    assert await post(body + b" ", id_="msg_2") == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    diagnostics = disconnected_entry.runtime_data.webhook.get_diagnostics()
    assert (diagnostics["taken"], diagnostics["refused"]) == (1, 1)


async def test_malformed_and_unacknowledged_deliveries_are_not_remembered(
    hass: HomeAssistant, relay: RelayDouble, loaded_entry: MockConfigEntry, post: Post
):
    """The relay may send the same id again, and it is applied then."""
    body = create_delivery(("vehicle", "e1.9", make_tesla_record(9, 61)))
    assert await post(b"[]") == HTTPStatus.BAD_REQUEST
    assert await post(body) == HTTPStatus.SERVICE_UNAVAILABLE
    diagnostics = loaded_entry.runtime_data.webhook.get_diagnostics()
    assert (diagnostics["taken"], diagnostics["refused"], diagnostics["last_at"]) == (0, 1, None)
    with relay.failing("stream", with_=NO_STREAM):
        await disconnect_stream(hass, relay, loaded_entry)
        before = dt_util.utcnow()
        assert await post(body) == "msg_1"
    diagnostics = loaded_entry.runtime_data.webhook.get_diagnostics()
    assert (diagnostics["taken"], diagnostics["refused"]) == (1, 1)
    assert before <= dt_util.parse_datetime(diagnostics["last_at"], raise_on_error=True) <= dt_util.utcnow()


def test_limits_of_the_handler():
    """A relay with hundreds of cars and a day of transitions fits; what it resends within five minutes is known."""
    assert webhook_handler.MAX_BODY_SIZE == 8 * 1024 * 1024
    assert webhook_handler.MAX_REMEMBERED_IDS == 256


async def test_only_post_is_allowed(loaded_entry: MockConfigEntry, post: Post, hass_client_no_auth):
    client = await hass_client_no_auth()
    for method in ("PUT", "GET"):
        async with client.request(method, post.path) as response:
            assert response.status == HTTPStatus.METHOD_NOT_ALLOWED


@pytest.mark.usefixtures("short_snapshot_timeout")
async def test_delivery_right_after_a_restart_is_accepted(
    hass: HomeAssistant, relay: RelayDouble, loaded_entry: MockConfigEntry, post: Post
):
    """The secret is stored, so no request to the relay is needed first."""
    assert loaded_entry.data[CONF_SECRET] == SECRET
    with relay.failing("endpoint", "stream", with_=NO_STREAM):
        await hass.config_entries.async_unload(loaded_entry.entry_id)
        relay.problems["vehicles"] = NO_STREAM
        await hass.config_entries.async_setup(loaded_entry.entry_id)
        assert await post(create_delivery(("vehicle", "e1.9", make_tesla_record(9, 61)))) == "msg_1"
        assert get_state(hass, TESLA_BATTERY) == "61"
