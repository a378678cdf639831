"""The actions: which vehicles a target means, what the relay gets, and the error that a user gets when it fails."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from control_double import make_session
from helpers import SetupEntry, wait_until
from homeassistant.config_entries import SOURCE_REAUTH
from homeassistant.core import HomeAssistant, SupportsResponse
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import ACCOUNT_ID, HYUNDAI, RENAULT, TESLA, Problem, RelayDouble, make_command, make_record
from test_conformance import EN, FOLDER, ICONS, load_json

from custom_components.evconduit.const import DOMAIN

BLUE_CAR = {"entity_id": "sensor.blue_car_battery_level"}
CONFIGURED_ALL = {"entity_id": ["switch.blue_car_charging", "switch.hyundai_charging"]}
TARGETED = {
    "start_charging": {},
    "stop_charging": {},
    "set_max_current": {"amps": 10},
    "refresh": {},
    "cancel_command": {},
    "get_charging_sessions": {},
    "update_odometer": {"odometer_km": 5},
    "send_abrp_telemetry": {},
    "set_charging": {"action": "START"},
    "sync_charging_history": {},
}
UNTARGETED = {"set_electricity_rate": {"cost_per_kwh": 0.3}, "link_vehicle": {}}


async def call_action(hass: HomeAssistant, name: str, data: dict[str, Any] | None = None, **target: Any) -> Any:
    """Call an action and return its response, if it has one."""
    has_response = hass.services.supports_response(DOMAIN, name) is not SupportsResponse.NONE
    return await hass.services.async_call(
        DOMAIN, name, dict(data or {}), blocking=True, target=target or None, return_response=has_response
    )


def get_device_id(hass: HomeAssistant, entry: MockConfigEntry, id_: str) -> str:
    device = dr.async_get(hass).async_get_device_by_identifier((DOMAIN, id_), entry.entry_id)
    assert device is not None
    return device.id


def list_commands(relay: RelayDouble) -> list[tuple[str, Any]]:
    return sorted((request.path.split("/")[-2], request.body["action"]) for request in relay.get_requests("/charging"))


def test_each_action_is_described_translated_and_has_an_icon():
    described = yaml.safe_load((FOLDER / "services.yaml").read_text())
    assert set(described) == {*TARGETED, *UNTARGETED} == set(EN["services"]) == set(ICONS["services"])
    for name, action in described.items():
        assert set(action.get("fields", ())) == set(EN["services"][name].get("fields", ())), name
        assert ("target" in action) is (name in TARGETED)
    assert load_json("icons.json")["services"]["refresh"] == {"service": "mdi:refresh"}


async def test_actions_exist_without_an_entry(hass: HomeAssistant):
    assert await async_setup_component(hass, DOMAIN, {})
    assert set(hass.services.async_services()[DOMAIN]) == {*TARGETED, *UNTARGETED}
    for name, data in UNTARGETED.items():
        with pytest.raises(ServiceValidationError):
            await call_action(hass, name, data)
    for name, data in TARGETED.items():
        with pytest.raises(ServiceValidationError) as error:
            await call_action(hass, name, data, entity_id="light.lamp")
        assert error.value.translation_key == "not_a_vehicle"


@pytest.mark.parametrize(("name", "data"), TARGETED.items())
async def test_action_names_the_entry_that_is_not_loaded(
    hass: HomeAssistant, entry: MockConfigEntry, setup_entry: SetupEntry, name: str, data: dict[str, Any]
):
    await setup_entry()
    await hass.config_entries.async_unload(entry.entry_id)
    with pytest.raises(ServiceValidationError) as error:
        await call_action(hass, name, data, device_id=get_device_id(hass, entry, TESLA))
    assert error.value.translation_key == "service_config_entry_not_loaded"


@pytest.mark.parametrize(("name", "kind"), [("start_charging", "START"), ("stop_charging", "STOP")])
async def test_charging_is_started_and_stopped_by_entity_or_device(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, name: str, kind: str
):
    entry = await setup_entry()
    response = await call_action(hass, name, **BLUE_CAR)
    assert response["commands"] == [
        {
            "vehicle": "Blue car",
            "vehicle_id": TESLA,
            "command_id": make_command()["id"],
            "command": name,
            "state": "pending",
        }
    ]
    await call_action(hass, name, device_id=get_device_id(hass, entry, HYUNDAI))
    assert list_commands(relay) == sorted([(TESLA, kind), (HYUNDAI, kind)])


async def test_target_with_several_entities_of_a_car_sends_one_command(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    entry = await setup_entry()
    await call_action(
        hass,
        "stop_charging",
        device_id=get_device_id(hass, entry, TESLA),
        entity_id=["sensor.blue_car_battery_level", "switch.blue_car_charging"],
    )
    assert list_commands(relay) == [(TESLA, "STOP")]


async def test_area_means_its_cars_and_not_its_other_devices(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, device_registry: dr.DeviceRegistry
):
    entry = await setup_entry()
    garage = ar.async_get(hass).async_create("Garage")
    other = MockConfigEntry(domain="other")
    other.add_to_hass(hass)
    lamp = device_registry.async_get_or_create(config_entry_id=other.entry_id, identifiers={("other", "lamp")})
    for device_id in (lamp.id, get_device_id(hass, entry, TESLA)):
        device_registry.async_update_device(device_id, area_id=garage.id)
    await call_action(hass, "start_charging", area_id=garage.id)
    assert list_commands(relay) == [(TESLA, "START")]
    with pytest.raises(ServiceValidationError) as error:
        await call_action(hass, "start_charging", device_id=[lamp.id, get_device_id(hass, entry, TESLA)])
    assert error.value.translation_key == "not_a_vehicle"
    assert len(list_commands(relay)) == 1


async def test_account_is_no_target_of_a_command(hass: HomeAssistant, setup_entry: SetupEntry):
    entry = await setup_entry()
    with pytest.raises(ServiceValidationError) as error:
        await call_action(hass, "start_charging", device_id=get_device_id(hass, entry, ACCOUNT_ID))
    assert error.value.translation_key == "not_a_vehicle"


async def test_empty_area_has_no_car(hass: HomeAssistant, setup_entry: SetupEntry):
    await setup_entry()
    garage = ar.async_get(hass).async_create("Garage")
    with pytest.raises(ServiceValidationError) as error:
        await call_action(hass, "start_charging", area_id=garage.id)
    assert error.value.translation_key == "no_vehicle"


async def test_cars_get_commands_side_by_side_and_one_refusal_stops_no_other(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    await setup_entry()
    are_both_sent = asyncio.Event()
    refusal = Problem(422, "command-refused", {"reason": {"type": "X", "detail": "Not plugged in."}})

    async def answer_when_both_are_sent() -> None:
        if len(relay.get_requests("/charging")) == 2:
            relay.problems["charging"] = refusal
            are_both_sent.set()
        async with asyncio.timeout(10):
            await are_both_sent.wait()

    relay.before_response["charging"] = answer_when_both_are_sent
    with pytest.raises(HomeAssistantError, match="Not plugged in"):
        await call_action(hass, "start_charging", **CONFIGURED_ALL)
    assert len(list_commands(relay)) == 2


async def test_max_current_is_set_and_cancelled(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    with pytest.raises(ServiceValidationError) as error:
        await call_action(hass, "cancel_command", **BLUE_CAR)
    assert error.value.translation_key == "no_open_command"
    response = await call_action(hass, "set_max_current", {"amps": 10}, **BLUE_CAR)
    assert relay.get_requests("/max-current")[0].body == {"amps": 10}
    assert response["commands"][0]["command"] == "set_max_current"
    response = await call_action(hass, "cancel_command", **BLUE_CAR)
    assert response["commands"][0]["state"] == "cancelled"
    assert relay.get_requests("/cancel")


async def test_command_that_enode_has_not_accepted_cannot_be_cancelled_yet(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.records[TESLA] = make_record(TESLA, command=make_command(state="sending"))
    await setup_entry()
    with relay.failing("cancel", with_=Problem(409, "not-sent")), pytest.raises(HomeAssistantError) as error:
        await call_action(hass, "cancel_command", **BLUE_CAR)
    assert error.value.translation_key == "command_not_sent"


async def test_refresh_asks_the_maker_of_each_car(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    response = await call_action(hass, "refresh", **CONFIGURED_ALL)
    assert response == {"vehicles": ["Blue car", "Hyundai"]} or set(response["vehicles"]) == {"Blue car", "Hyundai"}
    assert len(relay.get_requests("/refresh")) == 2


SESSIONS = [
    make_session("open", "2026-11-25T22:00:00.000Z", None, energy_kwh=None, cost=None, cost_unknown="energy"),
    make_session("newest", "2026-11-24T22:00:00.000Z", "2026-11-25T02:00:00.000Z"),
    make_session("middle", "2026-11-20T22:00:00.000Z", "2026-11-21T02:00:00.000Z", kind="discharge"),
    make_session("oldest", "2026-10-01T22:00:00.000Z", "2026-10-02T02:00:00.000Z"),
    make_session("older", "2026-09-01T22:00:00.000Z", "2026-09-02T02:00:00.000Z"),
    make_session("other", "2026-11-24T23:00:00.000Z", "2026-11-25T01:00:00.000Z", RENAULT),
]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-09-01T00:00:00Z", "2026-12-01T00:00:00Z", ["older", "oldest", "middle", "newest", "open"]),
        ("2026-11-25T01:59:00Z", "2026-11-25T03:00:00Z", ["newest"]),
        ("2026-11-25T02:00:00Z", "2026-11-25T03:00:00Z", []),
        ("2026-11-26T00:00:00Z", "2026-11-27T00:00:00Z", ["open"]),
        (None, "2026-11-24T22:00:00Z", ["middle"]),
        (None, "2026-11-24T22:00:01Z", ["middle", "newest"]),
    ],
)
async def test_sessions_of_a_range_are_listed_oldest_first(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    start: str | None,
    end: str,
    expected: list[str],
):
    relay.sessions = SESSIONS
    await setup_entry()
    data = {"end": end} | ({"start": start} if start else {})
    response = await call_action(hass, "get_charging_sessions", data, **BLUE_CAR)
    assert [row["session_id"] for row in response["sessions"]] == expected


async def test_sessions_are_rows_of_plain_values_in_local_time(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    await hass.config.async_set_time_zone("Europe/Stockholm")
    relay.sessions = SESSIONS
    entry = await setup_entry()
    data = {"start": "2026-11-24 00:00:00", "end": "2026-11-26 12:00:00"}
    devices = [get_device_id(hass, entry, id_) for id_ in (TESLA, RENAULT)]
    rows = (await call_action(hass, "get_charging_sessions", data, device_id=devices))["sessions"]
    assert [row["session_id"] for row in rows] == ["newest", "other", "open"]
    assert len({tuple(row) for row in rows}) == 1, "all rows have the same columns"
    assert {type(value) for row in rows for value in row.values()} <= {str, int, float, bool, type(None)}
    newest, _, still_open = rows
    assert newest == {
        "vehicle": "Blue car",
        "vehicle_id": TESLA,
        "session_id": "newest",
        "kind": "charge",
        "started_at": "2026-11-24T23:00:00+01:00",
        "ended_at": "2026-11-25T03:00:00+01:00",
        "energy_kwh": 28.4,
        "energy_source": "power",
        "estimated": False,
        "level_start": 31,
        "level_end": 79,
        "peak_kw": 7.2,
        "at_home": True,
        "latitude": 52.09,
        "longitude": 5.12,
        "odometer_km": 48213,
        "cost": 8.8,
        "currency": "EUR",
        "cost_per_kwh": 0.31,
        "cost_unknown": None,
        "corrected": False,
    }
    assert (still_open["ended_at"], still_open["cost"], still_open["cost_unknown"]) == (None, None, "energy")


async def test_range_that_ends_before_it_starts_is_refused(hass: HomeAssistant, setup_entry: SetupEntry):
    await setup_entry()
    data = {"start": "2026-11-26 00:00:00", "end": "2026-11-25 00:00:00"}
    with pytest.raises(ServiceValidationError) as error:
        await call_action(hass, "get_charging_sessions", data, **BLUE_CAR)
    assert error.value.translation_key == "empty_range"


async def test_sessions_end_now_by_default(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    now = datetime.now(UTC)
    relay.sessions = [make_session("current", now.isoformat(), None)]
    await setup_entry()
    assert len((await call_action(hass, "get_charging_sessions", **BLUE_CAR))["sessions"]) == 1


async def test_electricity_rate_has_the_currency_of_home_assistant(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry
):
    await setup_entry()
    await call_action(hass, "set_electricity_rate", {"cost_per_kwh": 0.285})
    await call_action(
        hass,
        "set_electricity_rate",
        {"cost_per_kwh": 3, "currency": "SEK", "config_entry_id": entry.entry_id},
    )
    assert [request.body for request in relay.get_requests("/electricity-rate")] == [
        {"cost_per_kwh": 0.285, "currency": "EUR"},
        {"cost_per_kwh": 3, "currency": "SEK"},
    ]


async def test_electricity_rate_can_be_negative(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    """Tariffs with changing prices are, on windy days. The documented automation sends each price of such a tariff."""
    await setup_entry()
    await call_action(hass, "set_electricity_rate", {"cost_per_kwh": "-0.015"})
    assert relay.get_requests("/electricity-rate")[-1].body["cost_per_kwh"] == -0.015


@pytest.mark.parametrize(
    ("data", "kilometers"),
    [
        ({"odometer_km": 48213.5}, 48213.5),
        ({"odometer_entity": "sensor.obd"}, 100_000),
        ({"odometer_entity": "sensor.obd_miles"}, 1609.344),
    ],
)
async def test_odometer_is_stored_in_km(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, data: dict[str, Any], kilometers: float
):
    hass.states.async_set("sensor.obd", "100000", {"unit_of_measurement": "km"})
    hass.states.async_set("sensor.obd_miles", "1000", {"unit_of_measurement": "mi"})
    await setup_entry()
    response = await call_action(hass, "update_odometer", data, **BLUE_CAR)
    [request] = relay.get_requests("/odometer")
    assert request.path == f"/api/ha/charging/{TESLA}/odometer"
    assert request.body == {"odometer_km": pytest.approx(kilometers)}
    assert response["odometer_km"] == pytest.approx(kilometers)


@pytest.mark.parametrize(
    ("state", "unit"),
    [("unknown", "km"), ("unavailable", "km"), ("0", "km"), ("-1", "km"), ("nan", "km"), ("5", "kWh")],
)
async def test_entity_without_a_reading_is_refused(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, state: str, unit: str
):
    hass.states.async_set("sensor.obd", state, {"unit_of_measurement": unit})
    await setup_entry()
    for data in ({"odometer_entity": "sensor.obd"}, {"odometer_entity": "sensor.missing"}, {}):
        with pytest.raises(ServiceValidationError) as error:
            await call_action(hass, "update_odometer", data, **BLUE_CAR)
        assert error.value.translation_key == "no_odometer"
    assert relay.get_requests("/odometer") == []


async def test_odometer_needs_a_session(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    with relay.failing("odometer", with_=Problem(404, "not-found")), pytest.raises(ServiceValidationError) as error:
        await call_action(hass, "update_odometer", {"odometer_km": 5}, **BLUE_CAR)
    assert error.value.translation_key == "no_session"
    with relay.failing("odometer", with_=Problem(503, "unavailable")), pytest.raises(HomeAssistantError) as failure:
        await call_action(hass, "update_odometer", {"odometer_km": 5}, **BLUE_CAR)
    assert failure.value.translation_key == "cannot_connect"


async def test_link_page_is_returned_and_opens_only_in_a_browser(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    await setup_entry()
    response = await call_action(hass, "link_vehicle", {"vendor": "Tesla"})
    assert response == {"url": relay.setup.link_page["url"]}
    assert relay.get_requests("/link-vehicle")[0].body == {"vendor": "Tesla"}
    relay.setup.link_page = {"url": "javascript:alert(1)"}
    with pytest.raises(HomeAssistantError):
        await call_action(hass, "link_vehicle")


async def test_value_that_the_relay_does_not_accept_is_named_as_the_cause(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    await setup_entry()
    problem = Problem(422, "invalid-request", {"vendors": ["TESLA"]})
    with relay.failing("link_vehicle", with_=problem), pytest.raises(HomeAssistantError) as error:
        await call_action(hass, "link_vehicle", {"vendor": "Teslaa"})
    assert error.value.translation_key == "invalid_request"


@pytest.mark.parametrize(
    ("name", "data", "route", "target"),
    [
        ("set_electricity_rate", {"cost_per_kwh": 1}, "electricity_rate", {}),
        ("link_vehicle", {}, "link_vehicle", {}),
        ("update_odometer", {"odometer_km": 1}, "odometer", BLUE_CAR),
        ("get_charging_sessions", {}, "sessions", BLUE_CAR),
        ("set_max_current", {"amps": 8}, "max_current", BLUE_CAR),
        ("start_charging", {}, "charging", BLUE_CAR),
        ("refresh", {}, "refresh", BLUE_CAR),
    ],
)
async def test_refused_credential_starts_reauthentication(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    name: str,
    data: dict[str, Any],
    route: str,
    target: dict[str, str],
):
    await setup_entry()
    with relay.failing(route, with_=Problem(401, "unauthorized")), pytest.raises(HomeAssistantError) as error:
        await call_action(hass, name, data, **target)
    assert error.value.translation_key == "invalid_auth"
    await wait_until(lambda: [flow["context"]["source"] for flow in hass.config_entries.flow.async_progress()])
    assert hass.config_entries.flow.async_progress()[0]["context"]["source"] == SOURCE_REAUTH


@pytest.mark.parametrize("vehicle_id", [TESLA, "enode-id", "former-id"])
async def test_classic_action_finds_the_car_by_any_of_its_ids(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, vehicle_id: str
):
    relay.records[TESLA] = make_record(TESLA, vehicle={"id": "enode-id"}, former_ids=["former-id"])
    await setup_entry()
    await call_action(hass, "set_charging", {"action": "STOP", "vehicle_id": vehicle_id})
    assert list_commands(relay) == [(TESLA, "STOP")]


async def test_classic_action_without_an_id_is_for_the_only_car(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    await setup_entry()
    with pytest.raises(ServiceValidationError) as error:
        await call_action(hass, "set_charging", {"action": "START"})
    assert error.value.translation_key == "several_vehicles"
    with pytest.raises(ServiceValidationError) as error:
        await call_action(hass, "set_charging", {"action": "START", "vehicle_id": "gone"})
    assert error.value.translation_key == "no_vehicle"
    relay.remove_vehicle(HYUNDAI)
    relay.remove_vehicle(RENAULT)
    await wait_until(lambda: hass.states.get("switch.hyundai_charging") is None)
    await hass.async_block_till_done()
    await call_action(hass, "set_charging", {"action": "START"})
    relay.sessions = [make_session("a", datetime.now(UTC).isoformat(), None)]
    assert await call_action(hass, "sync_charging_history") == {"sessions": 1}
    assert list_commands(relay) == [(TESLA, "START")]
