"""Telemetry to A Better Routeplanner: its token, what is sent, and the error that a user gets when it fails."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from helpers import SetupEntry
from homeassistant.config_entries import SOURCE_RECONFIGURE, SOURCE_USER, ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import get_diagnostics_for_config_entry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from relay_double import HYUNDAI, RENAULT, TESLA, RelayDouble, make_record
from test_actions import BLUE_CAR, call_action

from custom_components.evconduit import abrp
from custom_components.evconduit.abrp import create_telemetry
from custom_components.evconduit.client import JsonReader, Vehicle

TOKEN = "abrp-secret-token"
NOW = datetime(2026, 11, 20, 18, 10, tzinfo=UTC)


class AbrpDouble:
    """ABRP's API on a loopback socket."""

    def __init__(self) -> None:
        self.forms: list[dict[str, Any]] = []
        self.status = 200
        self.answer: Any = {"status": "ok", "result": {}}
        app = web.Application()
        app.router.add_post("/1/tlm/send", self._send)
        self._server = TestServer(app, host="127.0.0.1")

    async def start(self) -> str:
        await self._server.start_server()
        return str(self._server.make_url("/1/tlm/send"))

    async def close(self) -> None:
        await self._server.close()

    async def _send(self, request: web.Request) -> web.Response:
        assert not request.query_string, "the token would be in an address"
        self.forms.append(dict(await request.post()))
        if isinstance(self.answer, str):
            return web.Response(text=self.answer, status=self.status)
        return web.json_response(self.answer, status=self.status)


@pytest.fixture
async def api(socket_enabled: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AbrpDouble]:
    double = AbrpDouble()
    monkeypatch.setattr(abrp, "URL", await double.start())
    yield double
    await double.close()


async def add_token(hass: HomeAssistant, entry: MockConfigEntry, vehicle_id: str = TESLA) -> Any:
    flow = await hass.config_entries.subentries.async_init((entry.entry_id, "abrp"), context={"source": SOURCE_USER})
    assert flow["type"] is FlowResultType.FORM
    data = {"vehicle_id": vehicle_id, "abrp_token": f" {TOKEN} "}
    return await hass.config_entries.subentries.async_configure(flow["flow_id"], data)


async def test_state_is_sent_with_the_token_of_the_car(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, api: AbrpDouble
):
    entry = await setup_entry()
    created = await add_token(hass, entry)
    assert (created["type"], created["title"]) == (FlowResultType.CREATE_ENTRY, "Blue car")
    await call_action(hass, "send_abrp_telemetry", **BLUE_CAR)
    [form] = api.forms
    assert form["token"] == TOKEN
    telemetry = orjson.loads(form["tlm"])
    assert (telemetry["soc"], telemetry["is_charging"], telemetry["power"] < 0) == (57, 1, True)
    assert {"lat", "lon", "utc", "capacity", "odometer", "est_battery_range"} <= telemetry.keys()


async def test_car_without_a_token_or_level_is_refused(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, api: AbrpDouble
):
    relay.records[TESLA] = make_record(TESLA, vehicle={"chargeState": {"batteryLevel": None}})
    entry = await setup_entry()
    for key in ("no_abrp_token", "no_battery_level"):
        with pytest.raises(HomeAssistantError) as error:
            await call_action(hass, "send_abrp_telemetry", **BLUE_CAR)
        assert error.value.translation_key == key
        if key == "no_abrp_token":
            await add_token(hass, entry)
    assert api.forms == []


@pytest.mark.parametrize(
    ("status", "answer", "key"),
    [
        (200, {"status": "error"}, "abrp_refused"),
        (401, {"status": "error", "result": TOKEN}, "abrp_refused"),
        (200, [], "abrp_refused"),
        (502, "<html>", "abrp_unavailable"),
    ],
)
async def test_failure_of_abrp_is_an_error_without_the_token(
    hass: HomeAssistant,
    setup_entry: SetupEntry,
    api: AbrpDouble,
    caplog: pytest.LogCaptureFixture,
    *,
    status: int,
    answer: Any,
    key: str,
):
    entry = await setup_entry()
    await add_token(hass, entry)
    api.status, api.answer = status, answer
    with pytest.raises(HomeAssistantError) as error:
        await call_action(hass, "send_abrp_telemetry", **BLUE_CAR)
    assert error.value.translation_key == key
    await api.close()
    with pytest.raises(HomeAssistantError) as error:
        await call_action(hass, "send_abrp_telemetry", **BLUE_CAR)
    assert error.value.translation_key == "abrp_unavailable"
    assert TOKEN not in caplog.text


async def test_token_is_not_in_the_diagnostics(
    hass: HomeAssistant, setup_entry: SetupEntry, hass_client: ClientSessionGenerator
):
    entry = await setup_entry()
    await add_token(hass, entry)
    assert TOKEN not in str(await get_diagnostics_for_config_entry(hass, hass_client, entry))


async def test_each_car_has_one_token_that_can_be_changed(hass: HomeAssistant, setup_entry: SetupEntry):
    entry = await setup_entry()
    for vehicle_id in (TESLA, HYUNDAI, RENAULT):
        await add_token(hass, entry, vehicle_id)
    flow = await hass.config_entries.subentries.async_init((entry.entry_id, "abrp"), context={"source": SOURCE_USER})
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "no_vehicle")
    subentry = next(item for item in entry.subentries.values() if item.data["vehicle_id"] == TESLA)
    flow = await hass.config_entries.subentries.async_init(
        (entry.entry_id, "abrp"), context={"source": SOURCE_RECONFIGURE, "subentry_id": subentry.subentry_id}
    )
    assert flow["description_placeholders"] == {"name": "Blue car"}
    result = await hass.config_entries.subentries.async_configure(flow["flow_id"], {"abrp_token": "another"})
    assert result["reason"] == "reconfigure_successful"
    assert abrp.find_token(entry, TESLA) == "another"
    assert abrp.find_token(entry, HYUNDAI) == TOKEN


async def test_token_needs_a_loaded_entry(hass: HomeAssistant, entry: MockConfigEntry):
    flow = await hass.config_entries.subentries.async_init((entry.entry_id, "abrp"), context={"source": SOURCE_USER})
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "entry_not_loaded")


def test_subentry_of_another_type_is_no_token():
    data = MappingProxyType({"vehicle_id": TESLA})
    entry = MockConfigEntry(domain="evconduit", subentries_data=[])
    entry.subentries = MappingProxyType(
        {"a": ConfigSubentry(data=data, subentry_type="vehicle", title="", unique_id=None)}
    )
    assert abrp.find_token(entry, TESLA) is None


FULL = {
    "lastSeen": "2026-11-20T18:00:00Z",
    "chargeState": {"batteryLevel": 57, "range": 241, "isCharging": True, "chargeRate": 7.2, "batteryCapacity": 60},
    "location": {"latitude": 52.5, "longitude": 5.5},
    "odometer": {"distance": 48213},
}


@pytest.mark.parametrize(
    ("group", "changes", "expected"),
    [
        (None, {}, {"power": -7.2, "is_charging": 1}),
        ("chargeState", {"isCharging": False, "chargeRate": None}, {"power": None, "is_charging": 0}),
        ("chargeState", {"isCharging": True, "chargeRate": None}, {"power": None, "is_charging": 1}),
        ("chargeState", {"isCharging": None}, {"is_charging": None, "power": None}),
        ("location", {"longitude": None}, {"lat": None, "lon": None}),
        ("location", {"latitude": None}, {"lat": None, "lon": None}),
        ("odometer", {"distance": None}, {"odometer": None}),
    ],
)
def test_telemetry_has_what_is_known(group: str | None, changes: dict[str, Any], expected: dict[str, Any]):
    vehicle = FULL if group is None else FULL | {group: FULL[group] | changes}
    complete = {
        "utc": 1795197600,
        "soc": 57,
        "is_charging": 1,
        "power": -7.2,
        "lat": 52.5,
        "lon": 5.5,
        "capacity": 60,
        "est_battery_range": 241,
        "odometer": 48213,
    }
    telemetry = create_telemetry(Vehicle.parse(JsonReader(vehicle)), NOW)
    assert telemetry == {key: value for key, value in (complete | expected).items() if value is not None}


@pytest.mark.parametrize("last_seen", [None, "2026-11-20T19:00:00Z"])
def test_time_of_the_telemetry_is_now_at_the_latest(last_seen: str | None):
    telemetry = create_telemetry(Vehicle.parse(JsonReader(FULL | {"lastSeen": last_seen})), NOW)
    assert telemetry is not None
    assert telemetry["utc"] == NOW.timestamp()
