"""The stream is down, and the relay POSTs."""

import json
from http import HTTPStatus
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from freezegun.api import FrozenDateTimeFactory
from helpers import MINUTE, TESLA_BATTERY, SetUp, eventually, outage, pass_time, shows, tesla, value
from homeassistant.components.webhook import async_handle_webhook
from homeassistant.const import CONF_WEBHOOK_ID, STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from homeassistant.util.aiohttp import MockRequest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import RENAULT, SECRET, TESLA, Problem, RelayDouble, signed

from custom_components.evconduit import webhook_handler
from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.webhook_registration import CONF_SECRET

pytestmark = pytest.mark.usefixtures("webhooks")
NO_STREAM = Problem(502, is_relay=False)


def changes(*messages: tuple[str, str, Any]) -> bytes:
    told = [{"event": event, "id": cursor, "data": data} for event, cursor, data in messages]
    return json.dumps({"type": "changes", "cursor": told[-1]["id"], "messages": told}).encode()


class Post:
    """POSTs to the entry's webhook, as the relay does."""

    def __init__(self, client: TestClient, entry: MockConfigEntry) -> None:
        self._client = client
        self.path = f"/api/webhook/{entry.data[CONF_WEBHOOK_ID]}"

    async def __call__(self, body: bytes, headers: dict[str, str] | None = None, *, id_: str = "msg_1") -> Any:
        """The status, or the acknowledged id."""
        headers = signed(body, at=dt_util.utcnow().timestamp(), message_id=id_) if headers is None else headers
        async with self._client.post(self.path, data=body, headers=headers) as response:
            return (await response.json())["ack"] if response.status == HTTPStatus.OK else response.status


@pytest.fixture
async def entry_up(webhooks: None, set_up: SetUp) -> MockConfigEntry:
    entry = await set_up()
    await eventually(lambda: entry.data.get(CONF_SECRET))
    return entry


@pytest.fixture
async def post(hass_client_no_auth, entry_up: MockConfigEntry) -> Post:
    return Post(await hass_client_no_auth(), entry_up)


@pytest.fixture
def no_stream(relay: RelayDouble, entry_up: MockConfigEntry):
    """The stream breaks, and stays away until the test lifts it."""
    with relay.failing("stream", with_=NO_STREAM):
        relay.break_streams()
        yield


@pytest.fixture
async def down(no_stream: None, entry_up: MockConfigEntry) -> MockConfigEntry:
    await eventually(lambda: not entry_up.runtime_data.coordinator.is_streaming)
    return entry_up


@pytest.mark.usefixtures("down")
async def test_a_car_follows_what_is_posted(hass: HomeAssistant, post: Post):
    assert await post(changes(("vehicle", "e1.9", tesla(9, 61)))) == "msg_1"
    assert value(hass, TESLA_BATTERY) == "61"


@pytest.mark.usefixtures("down")
async def test_a_snapshot_is_the_whole_truth(hass: HomeAssistant, relay: RelayDouble, post: Post):
    del relay.records[RENAULT]
    relay.records[TESLA] = tesla(3, 33)
    body = changes(("snapshot", "e2.1", relay.snapshot() | {"gap": True}), ("vehicle", "e2.4", tesla(4, 34)))
    assert await post(body) == "msg_1"
    assert value(hass, TESLA_BATTERY) == "34"
    assert hass.states.get("sensor.renault_zoe_battery_level") is None


@pytest.mark.usefixtures("down")
async def test_what_is_not_newer_is_acknowledged_and_dropped(hass: HomeAssistant, post: Post):
    await post(changes(("vehicle", "e1.9", tesla(9, 61))))
    assert await post(changes(("vehicle", "e1.8", tesla(8, 40))), id_="msg_2") == "msg_2"
    assert value(hass, TESLA_BATTERY) == "61"


async def test_the_same_message_is_taken_once(down: MockConfigEntry, hass: HomeAssistant, post: Post):
    body = changes(
        ("snapshot", "e1.1", {"account": down.runtime_data.coordinator.data.raw, "vehicles": [tesla(2, 40)]})
    )
    assert await post(body) == "msg_1"
    await post(changes(("vehicle", "e1.9", tesla(9, 61))), id_="msg_2")
    assert await post(body) == "msg_1"
    assert value(hass, TESLA_BATTERY) == "61"
    assert down.runtime_data.webhook.get_diagnostics()["taken"] == 2


async def test_only_so_many_ids_are_remembered(down: MockConfigEntry, post: Post, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(webhook_handler, "MAX_REMEMBERED_IDS", 2)
    for number in (1, 2, 3, 1, 3):
        assert await post(changes(("vehicle", "e1.9", tesla(9, 61))), id_=f"msg_{number}") == f"msg_{number}"
    assert down.runtime_data.webhook.get_diagnostics()["taken"] == 4


@pytest.mark.usefixtures("no_stream")
async def test_the_stream_resumes_behind_what_was_posted(
    hass: HomeAssistant, relay: RelayDouble, post: Post, down: MockConfigEntry, hass_storage
):
    await post(changes(("vehicle", "e1.9", tesla(9, 61))))
    assert down.runtime_data.coordinator.cursor == "e1.9"
    relay.records[TESLA] = tesla(9, 61)
    await eventually(lambda: relay.asked("/stream")[-1].headers.get("Last-Event-ID") == "e1.9")
    await hass.config_entries.async_unload(down.entry_id)
    assert hass_storage[f"{DOMAIN}.{down.entry_id}"]["data"]["cursor"] == "e1.9"


async def test_a_snapshot_from_behind_does_not_move_us_back(down: MockConfigEntry, relay: RelayDouble, post: Post):
    await post(changes(("vehicle", "e1.9", tesla(9, 61))))
    relay.records[TESLA] = tesla(9, 61)
    gone = {"id": TESLA, "reason": "unlinked"}
    body = changes(("snapshot", "e1.2", relay.snapshot()), ("vehicle_removed", "e1.3", gone))
    assert await post(body, id_="msg_2") == "msg_2"
    assert down.runtime_data.coordinator.cursor == "e1.9"
    assert TESLA in down.runtime_data.coordinator.vehicles


async def test_while_the_stream_is_up_what_it_told_is_acknowledged_and_nothing_taken(
    hass: HomeAssistant, relay: RelayDouble, entry_up: MockConfigEntry, post: Post
):
    relay.push(tesla(2, 58))
    await shows(hass, TESLA_BATTERY, "58")
    body = changes(("snapshot", "e1.2", relay.snapshot() | {"vehicles": []}))
    assert await post(body) == "msg_1"
    assert value(hass, TESLA_BATTERY) == "58"


async def test_a_stream_that_is_dead_and_does_not_know_it_loses_nothing(
    hass: HomeAssistant, relay: RelayDouble, entry_up: MockConfigEntry, post: Post
):
    """What the stream has not told is not acknowledged; it comes again."""
    body = changes(("vehicle", "e1.9", tesla(9, 61)))
    assert await post(body) == HTTPStatus.SERVICE_UNAVAILABLE
    assert value(hass, TESLA_BATTERY) == "57"
    with relay.failing("stream", with_=NO_STREAM):
        await outage(hass, relay, entry_up)
        assert await post(body) == "msg_1"
        assert value(hass, TESLA_BATTERY) == "61"


@pytest.mark.usefixtures("no_stream")
async def test_contact_is_kept_by_what_is_posted(
    hass: HomeAssistant, relay: RelayDouble, down: MockConfigEntry, post: Post, freezer: FrozenDateTimeFactory
):
    with relay.failing("vehicles", with_=NO_STREAM):
        await pass_time(hass, freezer, 14 * MINUTE)
        # A test's server lives on the frozen clock too, so this one is handed over.
        body = changes(("vehicle", "e1.9", tesla(9, 61)))
        headers = signed(body, at=dt_util.utcnow().timestamp())
        request = MockRequest(body, "test", method="POST", headers=headers)
        response = await async_handle_webhook(hass, down.data[CONF_WEBHOOK_ID], request)
        assert response.status == HTTPStatus.OK
        await pass_time(hass, freezer, 14 * MINUTE)
        assert value(hass, TESLA_BATTERY) == "61"
        await pass_time(hass, freezer, 20 * MINUTE)
        assert value(hass, TESLA_BATTERY) == STATE_UNAVAILABLE


async def test_a_test_is_acknowledged(entry_up: MockConfigEntry, post: Post):
    assert await post(b'{"type": "test", "cursor": null, "messages": []}') == "msg_1"


@pytest.mark.usefixtures("down")
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
async def test_what_cannot_be_read_is_not_acknowledged(hass: HomeAssistant, post: Post, body: bytes):
    assert await post(body) == HTTPStatus.BAD_REQUEST
    assert value(hass, TESLA_BATTERY) == "57"


@pytest.mark.usefixtures("down")
async def test_events_from_the_future_are_passed_over(hass: HomeAssistant, post: Post):
    body = changes(("weather", "e1.8", {"sunny": True}), ("bye", "e1.8", {}), ("vehicle", "e1.9", tesla(9, 61)))
    assert await post(body) == "msg_1"
    assert value(hass, TESLA_BATTERY) == "61"


@pytest.mark.parametrize("case", ["none", "other secret", "other body", "old", "early"])
async def test_what_is_not_signed_now_by_the_relay_is_refused(
    hass: HomeAssistant, down: MockConfigEntry, post: Post, case: str, caplog: pytest.LogCaptureFixture
):
    body = changes(("vehicle", "e1.9", tesla(9, 61)))
    now = dt_util.utcnow().timestamp()
    headers = {
        "none": {},
        "other secret": signed(body, at=now, secret="whsec_AAAA"),
        "other body": signed(body + b" ", at=now),
        "old": signed(body, at=now - 301),
        "early": signed(body, at=now + 302),
    }[case]
    assert await post(body, headers) == HTTPStatus.UNAUTHORIZED
    assert value(hass, TESLA_BATTERY) == "57"
    assert down.runtime_data.webhook.get_diagnostics()["refused"] == 1
    assert "batteryLevel" not in caplog.text


async def test_what_is_too_large_is_refused(down: MockConfigEntry, post: Post, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(webhook_handler, "MAX_BODY_SIZE", 1000)
    assert await post(b" " * 1001) == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


async def test_only_posts_are_taken(entry_up: MockConfigEntry, post: Post, hass_client_no_auth):
    client = await hass_client_no_auth()
    for method in ("PUT", "GET"):
        async with client.request(method, post.path) as response:
            assert response.status == HTTPStatus.METHOD_NOT_ALLOWED


async def test_what_comes_right_after_a_restart_is_believed(
    hass: HomeAssistant, relay: RelayDouble, entry_up: MockConfigEntry, post: Post
):
    """The secret is kept: it is not asked for first."""
    assert entry_up.data[CONF_SECRET] == SECRET
    with relay.failing("endpoint", "stream", with_=NO_STREAM):
        await hass.config_entries.async_unload(entry_up.entry_id)
        relay.problems["vehicles"] = NO_STREAM
        await hass.config_entries.async_setup(entry_up.entry_id)
        assert await post(changes(("vehicle", "e1.9", tesla(9, 61)))) == "msg_1"
        assert value(hass, TESLA_BATTERY) == "61"
