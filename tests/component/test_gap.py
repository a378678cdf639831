"""A snapshot with a gap: the relay no longer has, or never had, the messages after the cursor of the last connection.

It has one when the cursor is too old, of another epoch, or ahead of the relay, which was restored from a backup. The
snapshot replaces everything, and the numbers of the messages after it may be lower than those before it.
"""

from http import HTTPStatus

import pytest
from helpers import RENAULT_BATTERY, TESLA_BATTERY, SetupEntry, get_state, make_tesla_record, wait_until
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import HYUNDAI, RENAULT, TESLA, Problem, RelayDouble
from webhook_helpers import Post, create_delivery

from custom_components.evconduit.const import DOMAIN


@pytest.fixture
async def resumed_entry(
    relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry, hass_storage, stored_cursor: str
) -> MockConfigEntry:
    """An entry that resumed after `stored_cursor`, got a snapshot with a gap (e1.1), and now receives messages."""
    records = [make_tesla_record(50, 90), *(relay.records[id_] for id_ in (HYUNDAI, RENAULT))]
    data = {"account": relay.account, "vehicles": records, "cursor": stored_cursor}
    hass_storage[f"{DOMAIN}.{entry.entry_id}"] = {"version": 1, "minor_version": 1, "key": "x", "data": data}
    relay.has_gap = True
    await setup_entry()
    assert relay.get_requests("/stream")[0].headers["Last-Event-ID"] == stored_cursor
    relay.has_gap = False
    return entry


EARLIER_CURSORS = pytest.mark.parametrize("stored_cursor", ["e1.41", "e0.1", "e2.7", "not a cursor"])


@EARLIER_CURSORS
async def test_snapshot_with_a_gap_replaces_newer_revisions(hass: HomeAssistant, resumed_entry: MockConfigEntry):
    assert get_state(hass, TESLA_BATTERY) == "57"
    assert resumed_entry.runtime_data.coordinator.cursor == "e1.1"


@EARLIER_CURSORS
@pytest.mark.usefixtures("resumed_entry")
async def test_messages_after_a_gap_are_applied(hass: HomeAssistant, relay: RelayDouble):
    relay.push_record(make_tesla_record(2, 58))
    relay.remove_vehicle(RENAULT)
    await wait_until(lambda: hass.states.get(RENAULT_BATTERY) is None)
    assert get_state(hass, TESLA_BATTERY) == "58"


@EARLIER_CURSORS
async def test_next_connection_resumes_after_the_messages_after_a_gap(
    relay: RelayDouble, resumed_entry: MockConfigEntry
):
    relay.send("transition", {"vehicle_id": TESLA, "type": "unplugged", "occurred_at": None, "replayed": False})
    await wait_until(lambda: resumed_entry.runtime_data.stream.received["Transition"])
    relay.break_streams()
    await wait_until(lambda: len(relay.get_requests("/stream")) == 2)
    assert relay.get_requests("/stream")[1].headers["Last-Event-ID"] == "e1.2"


@pytest.mark.usefixtures("webhook_supported")
@pytest.mark.parametrize("stored_cursor", ["e1.41"])
async def test_delivery_ahead_of_the_stream_is_not_acknowledged_after_a_gap(
    resumed_entry: MockConfigEntry, hass_client_no_auth
):
    """The stream is what delivers. A cursor from before the gap doesn't tell that it delivered this message."""
    await wait_until(lambda: resumed_entry.data.get("webhook_secret"))
    post = Post(await hass_client_no_auth(), resumed_entry)
    assert await post(create_delivery(("vehicle", "e1.9", make_tesla_record(9, 61)))) == HTTPStatus.SERVICE_UNAVAILABLE
    assert await post(create_delivery(("vehicle", "e1.1", make_tesla_record(9, 61)))) == "msg_1"


@pytest.mark.usefixtures("webhook_supported")
@pytest.mark.parametrize("has_gap", [True, False])
async def test_gap_in_a_delivery_moves_the_cursor_back(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, hass_client_no_auth, *, has_gap: bool
):
    """Without a gap, an older snapshot changes nothing, and a removal that is older than the cursor is ignored."""
    entry = await setup_entry()
    await wait_until(lambda: entry.data.get("webhook_secret"))
    post = Post(await hass_client_no_auth(), entry)
    coordinator = entry.runtime_data.coordinator
    with relay.failing("stream", with_=Problem(502, is_relay=False)):
        relay.break_streams()
        await wait_until(lambda: not coordinator.is_streaming)
        assert await post(create_delivery(("vehicle", "e1.9", make_tesla_record(9, 61)))) == "msg_1"
        relay.has_gap = has_gap
        relay.records[TESLA] = make_tesla_record(3, 33)
        removed = {"id": RENAULT, "reason": "unlinked"}
        body = create_delivery(("snapshot", "e1.2", relay.snapshot()), ("vehicle_removed", "e1.3", removed))
        assert await post(body, id_="msg_2") == "msg_2"
        assert get_state(hass, TESLA_BATTERY) == ("33" if has_gap else "61")
        assert (RENAULT in coordinator.vehicles) is not has_gap
        assert coordinator.cursor == ("e1.3" if has_gap else "e1.9")
