"""The automations of the documentation, as they are printed there, run by Home Assistant's automation engine."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from control_double import make_session, make_transition
from freezegun.api import FrozenDateTimeFactory
from helpers import SetupEntry, get_state, wait_for_sent_requests, wait_until
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import async_fire_time_changed, async_mock_service
from relay_double import TESLA, RelayDouble, make_record

from custom_components.evconduit import actions
from custom_components.evconduit.vehicle_coordinator import VehicleCoordinator

DOCS = Path(__file__).parents[2] / "docs"
YAML_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CHARGING_STATE = "sensor.blue_car_charging_state"
EXPORT = "sensor.grid_export_power"
NOTIFY = "Notify when the car is charged"
SURPLUS = "Charge with surplus solar power"
RATE = "Follow the electricity price"
ABRP = "Send the battery level to ABRP"
FAULT_NOTIFY = "Notify when charging ends with a fault"

UNKNOWN, UNPLUGGED, INITIALIZING, CHARGING, STOPPED, COMPLETE, FAULT = (
    "UNKNOWN",
    "UNPLUGGED",
    "PLUGGED_IN:INITIALIZING",
    "PLUGGED_IN:CHARGING",
    "PLUGGED_IN:STOPPED",
    "PLUGGED_IN:COMPLETE",
    "PLUGGED_IN:FAULT",
)
RESTART = "RESTART"
"""A step: Home Assistant restarts, and the car has the state of the next step when it is back."""


def list_documents(key: str) -> list[dict[str, Any]]:
    blocks = [block for page in sorted(DOCS.rglob("*.md")) for block in YAML_BLOCK.findall(page.read_text())]
    return [document for document in map(yaml.safe_load, blocks) if key in document]


def list_documented_automations() -> dict[str, dict[str, Any]]:
    documents = list_documents("automation")
    return {automation["alias"]: automation for document in documents for automation in document["automation"]}


async def settle() -> None:
    """Let Home Assistant run what is ready. `async_block_till_done` would wait for automations that wait."""
    for _ in range(50):
        await asyncio.sleep(0)


class Car:
    """The car, whose charging state changes step by step, and the automation that watches it."""

    def __init__(self, hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry) -> None:
        self._hass, self._relay, self._setup_entry = hass, relay, setup_entry
        self._revisions = itertools.count(2)

    async def start(self, alias: str, step: str) -> None:
        """Set up the integration with a car in this state, and then the documented automation."""
        self._set_state(step)
        self.entry = await self._setup_entry()
        config = {"automation": [list_documented_automations()[alias]]}
        assert await async_setup_component(self._hass, "automation", config)

    async def play(self, *steps: str) -> None:
        for before, step in itertools.pairwise(["", *steps]):
            if before == RESTART:
                await self._restart(step)
            elif step != RESTART:
                self._relay.push_record(self._set_state(step))
            if step != RESTART:
                await wait_until(lambda step=step: self.charging_state == step.rpartition(":")[2].lower())
                await settle()

    async def lose_relay(self) -> None:
        await self._hass.config_entries.async_unload(self.entry.entry_id)
        assert self.charging_state == "unavailable"

    async def regain_relay(self, step: str) -> None:
        self._set_state(step)
        await self._hass.config_entries.async_setup(self.entry.entry_id)
        await settle()

    async def switch_automation(self, action: str) -> None:
        await self._hass.services.async_call("automation", action, {"entity_id": "all"}, blocking=True)

    @property
    def charging_state(self) -> str:
        return get_state(self._hass, CHARGING_STATE)

    def _set_state(self, step: str) -> dict[str, Any]:
        charge_state = {"powerDeliveryState": step, "batteryLevel": 80}
        record = make_record(TESLA, next(self._revisions), vehicle={"chargeState": charge_state})
        self._relay.records[TESLA] = record
        return record

    async def _restart(self, step: str) -> None:
        """As a restart looks to the automation: runs end, and at its start the entities are still unavailable."""
        await self.switch_automation("turn_off")
        await self.lose_relay()
        await self.switch_automation("turn_on")
        await self.regain_relay(step)


@pytest.fixture
def notifications(hass: HomeAssistant) -> list[ServiceCall]:
    return async_mock_service(hass, "notify", "notify")


@pytest.fixture
async def car(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry) -> AsyncIterator[Car]:
    car = Car(hass, relay, setup_entry)
    yield car
    await car.switch_automation("turn_off")  # ends a run that still waits


def test_all_documented_automations_are_tested():
    assert list_documented_automations().keys() == {NOTIFY, SURPLUS, FAULT_NOTIFY, RATE, ABRP}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([CHARGING, COMPLETE], 1),
        ([CHARGING, UNKNOWN, COMPLETE], 1),
        ([CHARGING, UNKNOWN, CHARGING, COMPLETE], 1),
        ([CHARGING, UNKNOWN, CHARGING, UNKNOWN, COMPLETE], 1),
        ([CHARGING, COMPLETE, UNKNOWN, COMPLETE], 1),
        ([CHARGING, STOPPED, UNKNOWN, CHARGING, COMPLETE], 1),
        ([CHARGING, COMPLETE, CHARGING, UNKNOWN, COMPLETE], 2),
        ([CHARGING, RESTART, CHARGING, COMPLETE], 1),
        ([CHARGING, UNKNOWN], 0),
        ([CHARGING, UNKNOWN, STOPPED], 0),
        ([CHARGING, UNKNOWN, UNPLUGGED, COMPLETE], 0),
        ([UNPLUGGED, COMPLETE], 0),
        ([UNKNOWN, COMPLETE], 0),
        ([COMPLETE, RESTART, COMPLETE], 0),
        ([COMPLETE, UNKNOWN, RESTART, COMPLETE], 0),
        ([COMPLETE, RESTART, UNKNOWN, COMPLETE], 0),
    ],
)
async def test_notification_is_sent_once_for_each_completed_charge(
    notifications: list[ServiceCall], car: Car, *, steps: list[str], expected: int
):
    await car.start(NOTIFY, steps[0])
    await car.play(*steps[1:])
    assert [call.data["message"] for call in notifications] == ["Charged to 80 %."] * expected


async def test_notification_is_sent_when_the_charge_ended_without_contact_to_the_relay(
    notifications: list[ServiceCall], car: Car
):
    await car.start(NOTIFY, CHARGING)
    await car.lose_relay()
    await settle()
    assert notifications == []
    await car.regain_relay(COMPLETE)
    assert len(notifications) == 1


@pytest.mark.parametrize(
    ("transitions", "expected"), [(["charging_fault"], 1), (["charging_stopped"], 0), (["charging_fault"] * 2, 2)]
)
async def test_notification_is_sent_for_each_fault_that_the_relay_found(
    notifications: list[ServiceCall], relay: RelayDouble, car: Car, *, transitions: list[str], expected: int
):
    """The state stays unknown, as while a car that reports a fault is unreachable."""
    await car.start(FAULT_NOTIFY, UNKNOWN)
    received = car.entry.runtime_data.stream.received
    for transition in transitions:
        relay.send("transition", make_transition(transition))
    await wait_until(lambda: received["Transition"] == len(transitions))
    await settle()
    assert len(notifications) == expected


def list_start_commands(relay: RelayDouble) -> list[Any]:
    return [request.body for request in relay.get_requests("/charging")]


async def set_export(hass: HomeAssistant, freezer: FrozenDateTimeFactory, watts: str, minutes: float) -> None:
    hass.states.async_set(EXPORT, watts, {"unit_of_measurement": "W"})
    await settle()
    freezer.tick(timedelta(minutes=minutes))
    async_fire_time_changed(hass)
    await settle()


@pytest.mark.parametrize(
    ("before", "later", "expected"),
    [
        ([STOPPED], [], 1),
        ([UNKNOWN], [STOPPED], 1),
        ([STOPPED, UNKNOWN], [STOPPED], 1),
        ([UNPLUGGED], [STOPPED], 1),
        ([UNPLUGGED], [INITIALIZING, STOPPED], 1),
        ([UNPLUGGED], [UNKNOWN, STOPPED], 1),
        ([UNPLUGGED], [UNKNOWN, INITIALIZING, UNKNOWN, STOPPED], 1),
        ([UNPLUGGED], [], 0),
        ([UNPLUGGED], [INITIALIZING, CHARGING], 0),
        ([CHARGING], [], 0),
        ([CHARGING], [UNKNOWN, CHARGING], 0),
        ([CHARGING], [STOPPED, UNKNOWN, STOPPED], 0),
        ([COMPLETE], [UNKNOWN, COMPLETE], 0),
        ([FAULT], [], 0),
    ],
)
async def test_charging_starts_once_with_surplus_power(
    hass: HomeAssistant,
    relay: RelayDouble,
    freezer: FrozenDateTimeFactory,
    *,
    car: Car,
    before: list[str],
    later: list[str],
    expected: int,
):
    await car.start(SURPLUS, before[0])
    await car.play(*before[1:])
    await set_export(hass, freezer, "2900", 6)
    await set_export(hass, freezer, "3100", 4.5)
    await wait_for_sent_requests(car.entry)
    assert list_start_commands(relay) == []
    await set_export(hass, freezer, "3200", 1)
    await car.play(*later)
    await wait_for_sent_requests(car.entry)
    assert list_start_commands(relay) == [{"action": "START"}] * expected


@pytest.mark.parametrize("watts", ["2900", "unavailable", "unknown"])
async def test_plugging_in_without_surplus_starts_nothing(
    hass: HomeAssistant, relay: RelayDouble, freezer: FrozenDateTimeFactory, *, car: Car, watts: str
):
    await set_export(hass, freezer, watts, 6)
    await car.start(SURPLUS, UNPLUGGED)
    await car.play(UNKNOWN, STOPPED)
    await wait_for_sent_requests(car.entry)
    assert list_start_commands(relay) == []


async def test_documented_report_has_a_line_for_each_session(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, notifications: list[ServiceCall]
):
    now = datetime.now(UTC)
    times = [(now - timedelta(days=days)).isoformat() for days in (40, 20, 1)]
    relay.sessions = [
        make_session("b", times[2], None, energy_kwh=None, cost=None),
        make_session("a", times[1], times[1], energy_kwh=12.5),
        make_session("before", times[0], times[0]),
    ]
    await setup_entry()
    [document] = list_documents("script")
    assert await async_setup_component(hass, "script", document)
    await hass.services.async_call("script", "send_charging_report", blocking=True)
    header, first, second = notifications[0].data["message"].splitlines()
    assert header == "started_at,ended_at,energy_kwh,cost"
    assert first.endswith(",12.5,8.8")
    assert second.endswith(",None,None,None")


async def test_documented_automation_sends_each_price(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    assert await async_setup_component(hass, "automation", {"automation": [list_documented_automations()[RATE]]})
    for state in ("unknown", "0.21", "unavailable", "-0.02", "0.30"):
        hass.states.async_set("sensor.electricity_price", state)
        await hass.async_block_till_done()
    assert [request.body["cost_per_kwh"] for request in relay.get_requests("/electricity-rate")] == [
        0.21,
        -0.02,
        0.3,
    ]


async def test_documented_automation_sends_each_level_to_abrp(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, monkeypatch: pytest.MonkeyPatch
):
    sent: list[float | None] = []

    async def send(_hass: HomeAssistant, vehicle: VehicleCoordinator) -> None:
        sent.append(vehicle.data.vehicle.charge_state.battery_level)

    monkeypatch.setattr(actions, "async_send_telemetry", send)
    await setup_entry()
    assert await async_setup_component(hass, "automation", {"automation": [list_documented_automations()[ABRP]]})
    for revision, level in ((2, 58), (3, None), (4, 59)):
        relay.push_record(make_record(TESLA, revision, vehicle={"chargeState": {"batteryLevel": level}}))
        expected = "unknown" if level is None else str(level)
        await wait_until(lambda expected=expected: get_state(hass, "sensor.blue_car_battery_level") == expected)
        await hass.async_block_till_done()
    assert sent == [58, 59]
