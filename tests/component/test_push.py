"""What the stream tells, and what Home Assistant then shows."""

from datetime import timedelta

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import SetUp, eventually, pass_time, shows
from homeassistant.const import EVENT_STATE_CHANGED, STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events
from relay_double import ACCOUNT_ID, HYUNDAI, RENAULT, TESLA, Problem, RelayDouble, account, car, record

from custom_components.evconduit import coordinator
from custom_components.evconduit.const import DOMAIN

TESLA_BATTERY = "sensor.blue_car_battery_level"
RENAULT_BATTERY = "sensor.renault_zoe_battery_level"
MINUTE = timedelta(minutes=1)


def tesla(revision: int, level: int, **changes):
    return record(TESLA, revision, vehicle={"chargeState": {"batteryLevel": level}}, **changes)


def renault(revision: int, level: int):
    return record(RENAULT, revision, vehicle={"chargeState": {"batteryLevel": level}})


def value(hass: HomeAssistant, entity_id: str) -> str:
    state = hass.states.get(entity_id)
    assert state is not None
    return state.state


async def test_a_push_writes_only_what_changed_of_one_car(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    entry = await set_up()
    told = []
    for vehicle_id, vehicle in entry.runtime_data.vehicles.items():
        vehicle.async_add_listener(lambda vehicle_id=vehicle_id: told.append(vehicle_id))
    events = async_capture_events(hass, EVENT_STATE_CHANGED)
    relay.push(tesla(2, 58))
    await shows(hass, TESLA_BATTERY, "58")
    assert told == [TESLA]
    # A tracker is written each time: Home Assistant wants to see that a position was confirmed.
    changed = {it.data["entity_id"] for it in events if it.data["old_state"].state != it.data["new_state"].state}
    assert changed == {TESLA_BATTERY}
    assert all("blue_car" in it.data["entity_id"] for it in events)


async def test_what_is_not_newer_is_dropped(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    relay.records[TESLA] = tesla(5, 57)
    await set_up()
    relay.push(tesla(4, 40))
    relay.push(tesla(5, 41))
    relay.push(renault(2, 99))  # what is told after it has been seen means that it has been seen
    await shows(hass, RENAULT_BATTERY, "99")
    assert value(hass, TESLA_BATTERY) == "57"
    relay.push(tesla(6, 60))
    await shows(hass, TESLA_BATTERY, "60")


async def test_a_snapshot_is_the_truth_even_when_it_is_older(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    relay.records[TESLA] = tesla(50, 57)
    await set_up()
    relay.records[TESLA] = tesla(3, 33)  # the relay was restored from a backup
    relay.break_streams()
    await shows(hass, TESLA_BATTERY, "33")
    relay.push(tesla(4, 34))
    await shows(hass, TESLA_BATTERY, "34")


async def test_a_new_car_appears(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, device_registry: dr.DeviceRegistry
):
    del relay.records[RENAULT]
    entry = await set_up()
    assert hass.states.get(RENAULT_BATTERY) is None
    relay.push(renault(9, 88))
    await shows(hass, RENAULT_BATTERY, "88")
    device = device_registry.async_get_device_by_identifier((DOMAIN, RENAULT), entry.entry_id)
    assert device is not None
    assert (device.name, device.manufacturer, device.model, device.serial_number) == ("Renault Zoe", "Renault", "Zoe", None)


@pytest.mark.parametrize("how", ["removed", "absent"])
async def test_a_car_that_is_gone_goes_and_may_come_back(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, device_registry: dr.DeviceRegistry, how: str
):
    entry = await set_up()
    before = device_registry.async_get_device_by_identifier((DOMAIN, RENAULT), entry.entry_id)
    assert before is not None
    if how == "removed":
        relay.remove(RENAULT)
    else:
        del relay.records[RENAULT]
        relay.break_streams()
    await eventually(lambda: hass.states.get(RENAULT_BATTERY) is None)
    await hass.async_block_till_done()
    assert device_registry.async_get_device_by_identifier((DOMAIN, RENAULT), entry.entry_id) is None
    assert value(hass, TESLA_BATTERY) == "57"
    assert device_registry.async_get_device_by_identifier((DOMAIN, ACCOUNT_ID), entry.entry_id)
    relay.push(renault(9, 88))
    await shows(hass, RENAULT_BATTERY, "88")
    after = device_registry.async_get_device_by_identifier((DOMAIN, RENAULT), entry.entry_id)
    assert after is not None
    assert after.id == before.id


async def test_a_car_that_went_while_we_were_away(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, device_registry: dr.DeviceRegistry
):
    entry = await set_up()
    await hass.config_entries.async_unload(entry.entry_id)
    del relay.records[RENAULT]
    await hass.config_entries.async_setup(entry.entry_id)
    assert device_registry.async_get_device_by_identifier((DOMAIN, RENAULT), entry.entry_id) is None


async def test_the_removal_of_an_unknown_car_is_nothing(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    await set_up()
    relay.say("vehicle_removed", {"id": "nobody"})
    relay.push(tesla(2, 58))
    await shows(hass, TESLA_BATTERY, "58")


async def test_a_car_that_learns_something_gets_entities_and_one_that_forgets_keeps_them(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp
):
    entry = await set_up()
    assert hass.states.get("switch.renault_zoe_charging") is None
    able = {"startCharging": {"isCapable": True, "interventionIds": []}}
    relay.push(record(RENAULT, 2, vehicle={"capabilities": able}))
    await shows(hass, "switch.renault_zoe_charging", "off")
    relay.push(record(RENAULT, 3, vehicle={"chargeState": {"batteryLevel": 42}}))
    await shows(hass, RENAULT_BATTERY, "42")
    assert value(hass, "switch.renault_zoe_charging") == "off"
    await hass.config_entries.async_reload(entry.entry_id)
    assert value(hass, "switch.renault_zoe_charging") == "off"


async def test_a_car_takes_the_name_its_owner_gave_it(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, device_registry: dr.DeviceRegistry
):
    entry = await set_up()

    def name() -> str | None:
        device = device_registry.async_get_device_by_identifier((DOMAIN, HYUNDAI), entry.entry_id)
        return device.name if device else None

    assert name() == "Hyundai"
    relay.push(record(HYUNDAI, 2, vehicle={"information": {"brand": "Hyundai", "model": "Kona"}}))
    await eventually(lambda: name() == "Hyundai Kona")
    relay.push(record(HYUNDAI, 3, vehicle={"information": {"displayName": "Koni"}}))
    await eventually(lambda: name() == "Koni")


async def test_a_car_of_which_nothing_is_known_is_a_vehicle(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, device_registry: dr.DeviceRegistry
):
    relay.records = {TESLA: record(TESLA) | {"vehicle": None}}
    entry = await set_up()
    device = device_registry.async_get_device_by_identifier((DOMAIN, TESLA), entry.entry_id)
    assert device is not None
    assert device.name == "Vehicle"
    assert value(hass, "sensor.vehicle_last_seen") == "unknown"


async def test_the_account_is_a_service_with_the_cars_behind_it(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, device_registry: dr.DeviceRegistry
):
    entry = await set_up()
    service = device_registry.async_get_device_by_identifier((DOMAIN, ACCOUNT_ID), entry.entry_id)
    tesla_ = device_registry.async_get_device_by_identifier((DOMAIN, TESLA), entry.entry_id)
    assert service is not None
    assert tesla_ is not None
    assert service.entry_type is dr.DeviceEntryType.SERVICE
    assert tesla_.via_device_id == service.id
    relay.say("account", account(title="Renamed", relay={"version": "0.2.0"}))

    def renamed() -> bool:
        found = device_registry.async_get(service.id)
        return found is not None and (found.name, found.sw_version) == ("Renamed", "0.2.0")

    await eventually(renamed)


async def test_a_car_beyond_the_plan_is_listed_and_not_served(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    await set_up()
    relay.push(tesla(2, 58, link={"state": "over_limit", "since": None}))
    await shows(hass, TESLA_BATTERY, STATE_UNAVAILABLE)
    relay.push(tesla(3, 59, link={"state": "broken", "since": None}))
    await shows(hass, TESLA_BATTERY, "59")


async def test_a_sleeping_car_stays_available(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    await set_up()
    relay.push(record(TESLA, 2, vehicle={"isReachable": False}))
    await shows(hass, "binary_sensor.blue_car_reachable", "off")
    assert value(hass, TESLA_BATTERY) == "57"


async def test_a_transition_is_taken_note_of(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    entry = await set_up()
    relay.say("transition", {"vehicle_id": TESLA, "type": "unplugged", "occurred_at": None, "replayed": False})
    await eventually(lambda: entry.runtime_data.received["Transition"])
    assert entry.runtime_data.cursor == "e1.2"


async def test_a_fault_in_one_message_does_not_end_the_stream(
    hass: HomeAssistant,
    relay: RelayDouble,
    set_up: SetUp,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    entry = await set_up()
    with monkeypatch.context() as broken:
        broken.setattr(coordinator, "async_register_vehicle", None)
        relay.push(record(HYUNDAI, 2, vehicle={"information": {"model": "Kona"}}))
        await eventually(lambda: "could not be taken" in caplog.text)
    relay.push(tesla(2, 58))
    await shows(hass, TESLA_BATTERY, "58")
    assert entry.runtime_data.streaming


# The stream goes, and comes back


async def test_connecting_and_disconnecting_is_logged_once(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "custom_components.evconduit")
    entry = await set_up()
    with relay.failing("stream", with_=Problem(502, is_relay=False)):
        relay.break_streams()
        await eventually(lambda: len(relay.asked("/stream")) > 4)
    await eventually(lambda: entry.runtime_data.streaming)
    ours = [(it.levelname, it.message) for it in caplog.records if it.name == "custom_components.evconduit"]
    assert [level for level, _ in ours] == ["INFO"] * 3
    assert [text.partition(":")[0] for _, text in ours] == ["Connected", "Disconnected", "Connected"]


async def outage(hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry) -> None:
    relay.break_streams()
    await eventually(lambda: not entry.runtime_data.streaming)


async def test_after_15_minutes_without_a_word_nothing_is_claimed_any_more(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    entry = await set_up()
    with relay.failing("stream", "vehicles", with_=Problem(502, is_relay=False)):
        await outage(hass, relay, entry)
        await pass_time(hass, freezer, 14 * MINUTE)
        assert value(hass, TESLA_BATTERY) == "57"
        await pass_time(hass, freezer, MINUTE)
        assert value(hass, TESLA_BATTERY) == STATE_UNAVAILABLE
        assert value(hass, "switch.blue_car_charging") == STATE_UNAVAILABLE
    await shows(hass, TESLA_BATTERY, "57")
    assert value(hass, "switch.blue_car_charging") == "on"


async def test_the_relay_is_asked_only_after_the_stream_was_down_for_a_while(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    entry = await set_up()
    with relay.failing("stream", with_=Problem(502, is_relay=False)):
        await outage(hass, relay, entry)
        await pass_time(hass, freezer, timedelta(seconds=110))
        assert relay.asked("/vehicles") == []
        relay.records[TESLA] = tesla(2, 58)
        await pass_time(hass, freezer, timedelta(seconds=20))
        await shows(hass, TESLA_BATTERY, "58")
        relay.records[TESLA] = tesla(3, 59)
        await pass_time(hass, freezer, 14 * MINUTE)
        assert len(relay.asked("/vehicles")) == 1
        await pass_time(hass, freezer, 2 * MINUTE)
        await shows(hass, TESLA_BATTERY, "59")
        assert len(relay.asked("/vehicles")) == 2
    await eventually(lambda: entry.runtime_data.streaming)
    await pass_time(hass, freezer, 30 * MINUTE)
    assert len(relay.asked("/vehicles")) == 2


async def test_who_forbids_polling_is_not_polled_for(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    hass.config_entries.async_update_entry(entry, pref_disable_polling=True)
    await set_up()
    with relay.failing("stream", with_=Problem(502, is_relay=False)):
        await outage(hass, relay, entry)
        await pass_time(hass, freezer, 3 * MINUTE)
        await pass_time(hass, freezer, 20 * MINUTE)
    assert relay.asked("/vehicles") == []


async def test_an_answer_that_the_stream_has_overtaken_is_dropped(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp
):
    entry = await set_up()
    relay.records[TESLA] = tesla(2, 20)
    await entry.runtime_data.async_refresh()
    assert len(relay.asked("/vehicles")) == 1
    assert value(hass, TESLA_BATTERY) == "57"


async def test_without_push_the_relay_says_when_to_ask(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    freezer.move_to("2026-11-20T18:00:00Z")
    relay.account = account(push=False, next_poll_at="2026-11-20T18:30:00.000Z")
    await set_up()
    relay.records[TESLA] = tesla(2, 58)
    relay.account["next_poll_at"] = None
    await pass_time(hass, freezer, 29 * MINUTE)
    assert value(hass, TESLA_BATTERY) == "57"
    await pass_time(hass, freezer, 2 * MINUTE)
    await shows(hass, TESLA_BATTERY, "58")
    relay.records[TESLA] = tesla(3, 59)
    await pass_time(hass, freezer, 58 * MINUTE)  # without a wish of the relay's: an hour
    assert value(hass, TESLA_BATTERY) == "58"
    await pass_time(hass, freezer, 3 * MINUTE)
    await shows(hass, TESLA_BATTERY, "59")
    assert relay.asked("/stream") == []


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ("2026-11-20T18:00:01.000Z", MINUTE),
        ("2020-01-01T00:00:00.000Z", MINUTE),
        ("2026-11-20T18:20:00.000Z", 20 * MINUTE),
        ("2030-01-01T00:00:00.000Z", timedelta(hours=12)),
        ("sometime", timedelta(hours=1)),
    ],
)
async def test_a_wish_is_kept_within_reason(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory, wish, expected
):
    freezer.move_to("2026-11-20T18:00:00Z")
    relay.account = account(push=False, next_poll_at=wish)
    entry = await set_up()
    assert entry.runtime_data.update_interval == expected


@pytest.mark.parametrize(("header", "seconds"), [("600", 600), ("1", 60), ("9999999", 43200)])
async def test_a_spent_quota_waits_as_told_and_shows_what_is_known(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory, header: str, seconds: int
):
    relay.account = account(push=False)
    await set_up()
    relay.records[TESLA] = tesla(2, 58)
    with relay.failing("vehicles", with_=Problem(429, "quota-exhausted", headers={"Retry-After": header})):
        await pass_time(hass, freezer, 61 * MINUTE)
        await eventually(lambda: len(relay.asked("/vehicles")) == 2)
        await hass.async_block_till_done(wait_background_tasks=False)
        assert value(hass, TESLA_BATTERY) == "57"
    if seconds > 1000:
        return
    await pass_time(hass, freezer, timedelta(seconds=seconds - 10))
    assert len(relay.asked("/vehicles")) == 2
    await pass_time(hass, freezer, timedelta(seconds=12))
    await shows(hass, TESLA_BATTERY, "58")


async def test_without_push_two_missed_polls_are_one_too_many(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    relay.account = account(push=False)
    await set_up()
    with relay.failing("vehicles", with_=Problem(503, "unavailable")):
        await pass_time(hass, freezer, 61 * MINUTE)
        await eventually(lambda: len(relay.asked("/vehicles")) == 2)
        assert value(hass, TESLA_BATTERY) == "57"
        await pass_time(hass, freezer, 60 * MINUTE)
        assert value(hass, TESLA_BATTERY) == STATE_UNAVAILABLE


async def test_a_plan_that_loses_the_stream_is_polled_and_one_that_gets_it_back_listened_to(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    entry = await set_up()
    relay.account = account(push=False)
    relay.say("bye", {"reason": "plan", "retry_after": 3600}, cursor=False)
    await eventually(lambda: not entry.runtime_data.streaming)
    relay.records[TESLA] = tesla(2, 58)
    await pass_time(hass, freezer, 3 * MINUTE)
    await shows(hass, TESLA_BATTERY, "58")
    assert len(relay.asked("/stream")) == 1
    relay.account = account(push=True)
    await pass_time(hass, freezer, 61 * MINUTE)
    await eventually(lambda: entry.runtime_data.streaming)
    assert entry.runtime_data.update_interval is None


@pytest.mark.parametrize("where", ["stream", "vehicles"])
async def test_a_revoked_key_asks_for_another(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory, where: str
):
    entry = await set_up()
    with relay.failing(where, with_=Problem(401, "unauthorized")):
        if where == "stream":
            relay.break_streams()
        else:
            with relay.failing("stream", with_=Problem(502, is_relay=False)):
                await outage(hass, relay, entry)
                await pass_time(hass, freezer, 3 * MINUTE)
                await eventually(hass.config_entries.flow.async_progress)
        await eventually(hass.config_entries.flow.async_progress)
        (flow,) = hass.config_entries.flow.async_progress()
        assert (flow["context"]["source"], flow["context"]["entry_id"]) == ("reauth", entry.entry_id)
        assert value(hass, TESLA_BATTERY) == "57"  # for as long as the relay's word is young


async def test_updating_an_entity_by_hand_asks_only_when_nothing_tells(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp
):
    await hass.config.async_set_time_zone("UTC")
    entry = await set_up()
    battery = hass.data["entity_components"]["sensor"].get_entity(TESLA_BATTERY)
    await battery.async_update()
    assert relay.asked("/vehicles") == []
    with relay.failing("stream", with_=Problem(502, is_relay=False)):
        await outage(hass, relay, entry)
        relay.records[TESLA] = tesla(2, 58)
        await hass.data["entity_components"]["sensor"].get_entity(RENAULT_BATTERY).async_update()
        await shows(hass, TESLA_BATTERY, "58")
        assert len(relay.asked("/vehicles")) == 1


async def test_entity_ids_and_names_survive_unlinking_and_linking_again(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, entity_registry: er.EntityRegistry
):
    await set_up()
    entity_registry.async_update_entity(RENAULT_BATTERY, new_entity_id="sensor.my_zoe", name="Mine")
    await hass.async_block_till_done()
    relay.remove(RENAULT)
    await eventually(lambda: hass.states.get("sensor.my_zoe") is None)
    relay.push(renault(9, 88) | {"vehicle": car(RENAULT) | {"id": "a new one at Enode"}})
    await shows(hass, "sensor.my_zoe", "100")
