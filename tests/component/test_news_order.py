"""A record never replaces a newer one, whichever channel delivers it first. Storage is older than any of them."""

import asyncio

import pytest
from helpers import (
    RENAULT_BATTERY,
    TESLA_BATTERY,
    SetupEntry,
    disconnect_stream,
    get_state,
    make_renault_record,
    make_tesla_record,
    wait_for_state,
    wait_until,
)
from homeassistant.const import CONF_WEBHOOK_ID
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import RENAULT, SECRET, TESLA, Problem, RelayDouble, make_account, make_command, make_record
from webhook_helpers import Post, create_delivery

from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.webhook_registration import CONF_SECRET

pytestmark = pytest.mark.usefixtures("webhook_supported")
NO_STREAM = Problem(502, is_relay=False)
WEBHOOK_ID = "w" * 64


@pytest.fixture
def registered_entry(hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
    """An entry whose webhook the relay knows from an earlier run."""
    data = {**entry.data, CONF_WEBHOOK_ID: WEBHOOK_ID, CONF_SECRET: SECRET}
    hass.config_entries.async_update_entry(entry, data=data)
    return entry


@pytest.fixture
async def post(hass_client_no_auth, registered_entry: MockConfigEntry) -> Post:
    return Post(await hass_client_no_auth(), registered_entry)


def store(hass_storage, entry: MockConfigEntry, *records) -> None:
    data = {"account": make_account(), "vehicles": list(records), "cursor": "e1.1"}
    hass_storage[f"{DOMAIN}.{entry.entry_id}"] = {"version": 1, "minor_version": 1, "key": "x", "data": data}


@pytest.mark.parametrize("stored_revision", [1, 50])
@pytest.mark.usefixtures("short_snapshot_timeout")
async def test_delivery_during_setup_beats_storage(
    hass: HomeAssistant, relay: RelayDouble, *, registered_entry, post: Post, hass_storage, stored_revision: int
):
    store(hass_storage, registered_entry, make_tesla_record(stored_revision, 40), make_renault_record(1, 100))

    async def deliver_first() -> None:
        assert await post(create_delivery(("vehicle", "e1.9", make_tesla_record(9, 61)))) == "msg_1"

    relay.before_response["stream"] = deliver_first
    with relay.failing("stream", "vehicles", with_=NO_STREAM):
        await hass.config_entries.async_setup(registered_entry.entry_id)
        await hass.async_block_till_done()
        assert get_state(hass, TESLA_BATTERY) == "61"
        assert get_state(hass, RENAULT_BATTERY) == "100"
        await hass.config_entries.async_unload(registered_entry.entry_id)


@pytest.mark.usefixtures("short_snapshot_timeout")
async def test_removal_during_setup_beats_storage(
    hass: HomeAssistant, relay: RelayDouble, *, registered_entry, post: Post, hass_storage
):
    store(hass_storage, registered_entry, make_tesla_record(5, 40), make_renault_record(5, 100))

    async def deliver_first() -> None:
        removed = {"id": RENAULT, "reason": "unlinked"}
        assert await post(create_delivery(("vehicle_removed", "e1.9", removed))) == "msg_1"

    relay.before_response["stream"] = deliver_first
    with relay.failing("stream", "vehicles", with_=NO_STREAM):
        await hass.config_entries.async_setup(registered_entry.entry_id)
        await hass.async_block_till_done()
        assert get_state(hass, TESLA_BATTERY) == "40"
        assert hass.states.get(RENAULT_BATTERY) is None
        await hass.config_entries.async_unload(registered_entry.entry_id)


async def test_poll_in_flight_does_not_replace_what_was_delivered_meanwhile(
    hass: HomeAssistant,
    relay: RelayDouble,
    post: Post,
    setup_entry: SetupEntry,
    monkeypatch: pytest.MonkeyPatch,
):
    """The poll reads the relay before the changes, and its response arrives after them."""
    del relay.records[RENAULT]
    entry = await setup_entry()
    read, may_respond = asyncio.Event(), asyncio.Event()
    with relay.failing("stream", with_=NO_STREAM):
        await disconnect_stream(hass, relay, entry)
        old_snapshot = relay.snapshot

        async def hold_response() -> None:
            stale = old_snapshot()
            monkeypatch.setattr(relay, "snapshot", lambda: stale)
            read.set()
            await may_respond.wait()

        relay.before_response["vehicles"] = hold_response
        poll = hass.async_create_task(entry.runtime_data.coordinator.async_refresh())
        await wait_until(read.is_set)
        body = create_delivery(
            ("vehicle", "e1.9", make_tesla_record(9, 61)), ("vehicle", "e1.10", make_renault_record(10, 88))
        )
        assert await post(body) == "msg_1"
        may_respond.set()
        await poll
        await hass.async_block_till_done()
        assert (get_state(hass, TESLA_BATTERY), get_state(hass, RENAULT_BATTERY)) == ("61", "88")


async def test_poll_replaces_what_is_older(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    entry = await setup_entry()
    with relay.failing("stream", with_=NO_STREAM):
        await disconnect_stream(hass, relay, entry)
        relay.records[TESLA] = make_tesla_record(2, 58)
        del relay.records[RENAULT]
        await entry.runtime_data.coordinator.async_refresh()
        await hass.async_block_till_done()
        assert get_state(hass, TESLA_BATTERY) == "58"
        assert hass.states.get(RENAULT_BATTERY) is None


@pytest.mark.parametrize(
    ("channel", "epoch", "gap", "expected"),
    [
        *((channel, "e1", False, "57") for channel in ("poll", "stream", "webhook")),
        *((channel, "e2", gap, "33") for channel in ("poll", "stream", "webhook") for gap in (False, True)),
        *((channel, "e1", True, "33") for channel in ("poll", "stream", "webhook")),
    ],
)
async def test_revisions_fall_only_when_the_relay_was_restored(
    hass: HomeAssistant, relay: RelayDouble, registered_entry, post: Post, setup_entry: SetupEntry, *,
    channel: str, epoch: str, gap: bool, expected: str,
):  # fmt: skip
    relay.records[TESLA] = make_tesla_record(50, 57)
    entry = await setup_entry()
    relay.problems["stream"] = NO_STREAM
    await disconnect_stream(hass, relay, entry)
    relay.epoch, relay.has_gap = epoch, gap
    relay.records[TESLA] = make_tesla_record(3, 33)
    relay.records[RENAULT] = make_renault_record(51, 99)  # when this is shown, so is the other
    if channel == "poll":
        await entry.runtime_data.coordinator.async_refresh()
    elif channel == "stream":
        del relay.problems["stream"]
    else:
        assert await post(create_delivery(("snapshot", f"{epoch}.51", relay.snapshot()))) == "msg_1"
    await wait_for_state(hass, RENAULT_BATTERY, "99")
    assert get_state(hass, TESLA_BATTERY) == expected


async def test_poll_names_the_newest_revision(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    """So that the relay can say that its feed doesn't go that far (any more)."""
    relay.account = make_account(push=False)
    entry = await setup_entry()
    relay.records[TESLA] = make_tesla_record(12, 58)
    for _ in range(2):
        await entry.runtime_data.coordinator.async_refresh()
    positions = [request.headers.get("Last-Event-ID") for request in relay.get_requests("/vehicles")]
    assert positions == [None, "e1.1", "e1.12"]


async def test_late_message_of_an_ended_epoch_is_ignored(
    hass: HomeAssistant, relay: RelayDouble, registered_entry, post: Post, setup_entry: SetupEntry
):
    entry = await setup_entry()
    with relay.failing("stream", with_=NO_STREAM):
        await disconnect_stream(hass, relay, entry)
        relay.epoch = "e2"
        assert await post(create_delivery(("snapshot", "e2.3", relay.snapshot()))) == "msg_1"
        late = create_delivery(("vehicle", "e1.90", make_tesla_record(90, 12)))
        assert await post(late, id_="msg_2") == "msg_2"
        assert get_state(hass, TESLA_BATTERY) == "57"
        assert entry.runtime_data.coordinator.cursor == "e2.3"


async def test_snapshot_of_the_same_revision_keeps_a_command_that_it_cannot_know(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    entry = await setup_entry()
    with relay.failing("stream", with_=NO_STREAM):
        await disconnect_stream(hass, relay, entry)
        await hass.services.async_call("switch", "turn_off", {"entity_id": "switch.blue_car_charging"}, blocking=True)
        assert get_state(hass, "switch.blue_car_charging") == "off"
        await entry.runtime_data.coordinator.async_refresh()
        assert get_state(hass, "switch.blue_car_charging") == "off"
        relay.records[TESLA] = make_record(TESLA, 2, command=make_command(state="failed"))
        await entry.runtime_data.coordinator.async_refresh()
        assert get_state(hass, "switch.blue_car_charging") == "on"
