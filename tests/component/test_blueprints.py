"""The blueprints, read from this repository and run by Home Assistant's automation engine."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from control_double import make_transition
from freezegun.api import FrozenDateTimeFactory
from helpers import SetupEntry, wait_until
from homeassistant.components.blueprint import models
from homeassistant.core import HomeAssistant, ServiceCall, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import async_fire_time_changed, async_mock_service
from relay_double import TESLA, RelayDouble, make_record

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "blueprints" / "automation" / "evconduit"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
IMPORT_URL = "https://my.home-assistant.io/redirect/blueprint_import/?blueprint_url="
SWITCH = "switch.blue_car_charging"
STATE = "sensor.blue_car_charging_state"
LEVEL = "sensor.blue_car_battery_level"
PLUG = "binary_sensor.blue_car_plugged_in"
CURRENT = "number.blue_car_max_current"
EVENT = "event.blue_car_charging"
TRACKER = "device_tracker.blue_car_location"
EXPORT = "sensor.grid_export_power"
PRICE = "sensor.electricity_price"
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
MESSAGE = {"action": "test.notify", "data": {"message": "{{ message }}"}}
ENTITIES = {
    "charging_switch": SWITCH,
    "charging_state": STATE,
    "battery_level": LEVEL,
    "plugged_in": PLUG,
    "max_current": CURRENT,
    "charging_event": EVENT,
    "location": TRACKER,
}


def load_blueprint(name: str) -> dict[str, Any]:
    """Load the metadata of a blueprint. The tag `!input` is ignored."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!input", lambda _loader, node: node.value)
    return yaml.load((FOLDER / f"{name}.yaml").read_text(), Loader)["blueprint"]  # noqa: S506 - a subclass of the safe loader


async def settle() -> None:
    """Let Home Assistant run what is ready. `async_block_till_done` would wait for automations that wait."""
    for _ in range(50):
        await asyncio.sleep(0)


class Garage:
    """A car of states that a test sets, and services that change them and record their calls."""

    def __init__(self, hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
        self._hass, self._freezer = hass, freezer
        self.calls: list[Any] = []
        self.is_refusing = False
        hass.services.async_register("switch", "turn_on", self._switch)
        hass.services.async_register("switch", "turn_off", self._switch)
        hass.services.async_register("number", "set_value", self._set_current)
        self.set(SWITCH, "off")
        self.set(STATE, "stopped")
        self.set(CURRENT, "16")
        self.set(TRACKER, "home")

    def set(self, entity_id: str, value: object, **attributes: Any) -> None:
        self._hass.states.async_set(entity_id, str(value), attributes)

    async def run_for(self, delta: timedelta, step: timedelta = MINUTE) -> None:
        for _ in range(delta // step):
            self._freezer.tick(step)
            async_fire_time_changed(self._hass)
            await settle()

    async def run_to(self, hour: int, minute: int = 0) -> None:
        """Set the local time of the first day, without the triggers in between."""
        self._freezer.move_to(datetime(2026, 3, 4, hour, minute, tzinfo=dt_util.get_default_time_zone()))
        async_fire_time_changed(self._hass)
        await settle()

    @callback
    def _switch(self, call: ServiceCall) -> None:
        assert call.data["entity_id"] == [SWITCH]
        self.calls.append(call.service)
        if not self.is_refusing:
            self.set(SWITCH, call.service.removeprefix("turn_"))
            self.set(STATE, "charging" if call.service == "turn_on" else "stopped")

    @callback
    def _set_current(self, call: ServiceCall) -> None:
        assert call.data["entity_id"] == [CURRENT]
        self.calls.append(call.data["value"])
        self.set(CURRENT, call.data["value"])


@pytest.fixture(autouse=True)
def _blueprints_of_this_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "BLUEPRINT_FOLDER", str(ROOT / "blueprints"))


@pytest.fixture
async def garage(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> AsyncIterator[Garage]:
    garage = Garage(hass, freezer)
    await garage.run_to(12)
    yield garage
    if hass.services.has_service("automation", "turn_off"):
        # Ends a run that still waits.
        await hass.services.async_call("automation", "turn_off", {"entity_id": "all"}, blocking=True)


@pytest.fixture
def messages(hass: HomeAssistant) -> list[ServiceCall]:
    return async_mock_service(hass, "test", "notify")


async def create_automation(hass: HomeAssistant, name: str, **inputs: Any) -> None:
    """Create an automation from a blueprint, with the entities of the car unless the test selects others."""
    wanted = load_blueprint(name)["input"]
    chosen = {key: entity for key, entity in ENTITIES.items() if key in wanted} | inputs
    config = {"use_blueprint": {"path": f"evconduit/{name}.yaml", "input": chosen}}
    assert await async_setup_component(hass, "automation", {"automation": [config]})
    await settle()
    assert hass.states.async_all("automation")[0].state == "on"


@pytest.mark.parametrize("name", NAMES)
def test_each_blueprint_has_a_link_that_imports_it(name: str):
    url = f"https://github.com/evconduit/evconduit/blob/main/blueprints/automation/evconduit/{name}.yaml"
    assert load_blueprint(name)["source_url"] == url
    assert f"({IMPORT_URL}{quote(url, safe='')})" in (ROOT / "docs" / "blueprints.md").read_text()


@pytest.mark.parametrize("name", NAMES)
async def test_selectors_offer_the_entities_of_a_car(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, name: str
):
    relay.account["relay"]["features"] = ["charging", "stream", "max_current"]
    capable = {"setMaxCurrent": {"isCapable": True, "interventionIds": []}}
    relay.records[TESLA] = make_record(TESLA, vehicle={"capabilities": capable})
    await setup_entry()
    for key, item in load_blueprint(name)["input"].items():
        if key not in ENTITIES:
            continue
        wanted = item["selector"]["entity"]["filter"]
        entity, state = er.async_get(hass).async_get(ENTITIES[key]), hass.states.get(ENTITIES[key])
        assert entity is not None, key
        assert state is not None, key
        offered = {"integration": entity.platform, "domain": entity.domain, **state.attributes}
        assert {member: offered.get(member) for member in wanted} == wanted, key


async def test_charging_stops_at_the_level(hass: HomeAssistant, garage: Garage):
    garage.set(SWITCH, "on")
    garage.set(LEVEL, 78)
    await create_automation(hass, "stop_at_level", target_level=80)
    for level in ("79", "unavailable", "unknown"):
        garage.set(LEVEL, level)
        await settle()
    assert garage.calls == []
    garage.set(LEVEL, 81)  # the report of 80 was missed
    await settle()
    assert garage.calls == ["turn_off"]
    garage.set(LEVEL, 82)
    await garage.run_for(6 * MINUTE)
    garage.set(SWITCH, "on")
    await settle()
    assert garage.calls == ["turn_off", "turn_off"], "charging that begins above the level is stopped"


async def test_refused_stop_is_sent_again_after_5_minutes(hass: HomeAssistant, garage: Garage):
    garage.is_refusing = True
    garage.set(SWITCH, "on")
    garage.set(LEVEL, 79)
    await create_automation(hass, "stop_at_level", target_level=80)
    for level in range(80, 90):  # a percent a minute
        garage.set(LEVEL, level)
        await garage.run_for(MINUTE)
    assert garage.calls == ["turn_off", "turn_off"]


async def test_stop_reaches_the_car(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    await create_automation(hass, "stop_at_level", target_level=80)
    charging = {"powerDeliveryState": "PLUGGED_IN:CHARGING", "isCharging": True}
    for revision, level in ((2, 79), (3, 80)):
        assert relay.get_requests("/charging") == []
        relay.push_record(make_record(TESLA, revision, vehicle={"chargeState": charging | {"batteryLevel": level}}))
        await wait_until(lambda level=level: hass.states.get(LEVEL).state == str(level))
        await settle()
    await wait_until(lambda: relay.get_requests("/charging"))
    assert [request.body for request in relay.get_requests("/charging")] == [{"action": "STOP"}]
    await hass.services.async_call("automation", "turn_off", {"entity_id": "all"}, blocking=True)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 1),
        ({PLUG: "on"}, 0),
        ({PLUG: "unavailable"}, 0),
        ({LEVEL: "60"}, 0),
        ({TRACKER: "not_home"}, 0),
    ],
)
async def test_reminder_for_a_low_car_at_home(
    hass: HomeAssistant, garage: Garage, messages: list[ServiceCall], *, changes: dict[str, str], expected: int
):
    for entity_id, value in ({PLUG: "off", LEVEL: "59"} | changes).items():
        garage.set(entity_id, value)
    await create_automation(hass, "remind_to_plug_in", remind_at="21:30:00", notify_actions=[MESSAGE])
    await garage.run_to(21, 29)
    assert messages == []
    await garage.run_to(21, 30)
    text = "The car isn't plugged in. Its battery is at 59 %."
    assert [call.data["message"] for call in messages] == [text] * expected


async def test_reminder_without_location_and_with_the_default_notification(hass: HomeAssistant, garage: Garage):
    shown = async_mock_service(hass, "persistent_notification", "create")
    for entity_id, value in {PLUG: "off", LEVEL: "20", TRACKER: "not_home"}.items():
        garage.set(entity_id, value)
    await create_automation(hass, "remind_to_plug_in", location=[])
    await garage.run_to(21, 30)
    assert [call.data["message"] for call in shown] == ["The car isn't plugged in. Its battery is at 20 %."]


async def test_notification_for_each_completed_charge(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, messages: list[ServiceCall]
):
    relay.records[TESLA] = make_record(TESLA, vehicle={"chargeState": {"batteryLevel": 80}})
    entry = await setup_entry()
    await create_automation(hass, "notify_when_charged", notify_actions=[MESSAGE])
    received = entry.runtime_data.stream.received
    for kind in ("charging_started", "charging_stopped", "charging_completed", "unplugged", "charging_completed"):
        expected = received["Transition"] + 1
        relay.send("transition", make_transition(kind))
        await wait_until(lambda expected=expected: received["Transition"] == expected)
        await hass.async_block_till_done()
    text = "Blue car has completed charging. Its battery is at 80 %."
    assert [call.data["message"] for call in messages] == [text] * 2


async def create_solar(hass: HomeAssistant, **inputs: Any) -> None:
    await create_automation(hass, "charge_on_solar_surplus", export_power=EXPORT, **inputs)


@pytest.mark.parametrize(
    ("watts", "inputs", "expected"),
    [
        (1370, {}, []),
        (1380, {}, [6, "turn_on"]),
        (2400, {}, [10, "turn_on"]),
        (9000, {}, [16, "turn_on"]),
        (9000, {"phases": 3}, [13, "turn_on"]),
        (4000, {"phases": 3}, []),
        ("unavailable", {}, []),
    ],
)
async def test_surplus_starts_charging_with_what_there_is(
    hass: HomeAssistant, garage: Garage, *, watts: object, inputs: dict[str, int], expected: list[object]
):
    garage.set(EXPORT, watts, unit_of_measurement="W")
    await create_solar(hass, **inputs)
    await garage.run_for(MINUTE)
    assert garage.calls == expected


async def test_current_follows_the_surplus_in_steps_of_2_amperes_and_5_minutes(hass: HomeAssistant, garage: Garage):
    garage.set(EXPORT, 1.9, unit_of_measurement="kW")
    await create_solar(hass)
    await garage.run_for(MINUTE)
    assert garage.calls == [8, "turn_on"]
    garage.set(EXPORT, 690, unit_of_measurement="W")
    await garage.run_for(5 * MINUTE)
    assert garage.calls == [8, "turn_on"], "the delay ends at the same time"
    await garage.run_for(MINUTE)
    assert garage.calls[2:] == [11]
    garage.set(EXPORT, 250, unit_of_measurement="W")
    await garage.run_for(20 * MINUTE)
    assert garage.calls[3:] == [], "less than 2 A"
    garage.set(EXPORT, -700, unit_of_measurement="W")
    await garage.run_for(3 * MINUTE)
    assert garage.calls[3:] == [7]
    garage.set(EXPORT, -300, unit_of_measurement="W")
    await garage.run_for(7 * MINUTE)
    assert garage.calls[4:] == ["turn_off"]


@pytest.mark.parametrize(
    ("entity_id", "value"), [(STATE, "complete"), (STATE, "unplugged"), (STATE, "fault"), (TRACKER, "not_home")]
)
async def test_surplus_starts_only_a_car_that_waits_at_home(
    hass: HomeAssistant, garage: Garage, entity_id: str, value: str
):
    garage.set(EXPORT, 5000, unit_of_measurement="W")
    garage.set(entity_id, value)
    await create_solar(hass)
    await garage.run_for(10 * MINUTE)
    assert garage.calls == []


async def test_surplus_starts_no_car_whose_charging_is_being_stopped(hass: HomeAssistant, garage: Garage):
    garage.set(EXPORT, 5000, unit_of_measurement="W")
    garage.set(STATE, "charging")  # the switch already shows what was requested
    await create_solar(hass)
    await garage.run_for(10 * MINUTE)
    assert garage.calls == []


async def test_refused_start_on_surplus_is_sent_again_after_5_minutes(hass: HomeAssistant, garage: Garage):
    garage.is_refusing = True
    garage.set(EXPORT, 5000, unit_of_measurement="W")
    await create_solar(hass)
    await garage.run_for(5 * MINUTE)
    assert garage.calls == [16, "turn_on"]
    await garage.run_for(2 * MINUTE)
    assert garage.calls == [16, "turn_on"] * 2


NIGHT = {20: 0.5, 21: 0.45, 22: 0.3, 23: 0.1, 24: 0.4, 25: 0.12, 26: 0.35, 27: 0.11, 28: 0.36, 29: 0.37, 30: 0.6}
"""The prices of the hours from 20:00 until 7:00, hours after midnight as 24 and more. The cheapest: 23, 27, 25."""


def list_prices(style: str, hours: dict[int, float]) -> list[dict[str, Any]]:
    midnight = dt_util.start_of_local_day()
    items: list[dict[str, Any]] = []
    for hour, price in hours.items():
        start = midnight + hour * HOUR
        if style == "start and end":
            items.append({"start": start, "end": start + HOUR, "value": price})
        elif style == "text":
            items.append({"time": start.isoformat(), "price": str(price)})
        elif style == "hour":
            items.append({"hour": start, "price": price})
        else:
            items += [{"start": start + part * 15 * MINUTE, "value": price} for part in range(4)]
    return items


async def charge_through_the_night(garage: Garage, level: float, *, until: int = 31) -> list[int]:
    """Let the time pass in quarters from 20:00, and the battery of 60 kWh charge with 10 kW.

    Returns the hours in which the car charged.
    """
    hours: set[int] = set()
    for quarter in range(20 * 4, until * 4):
        garage.set(LEVEL, int(level))
        if quarter > 20 * 4:
            await garage.run_for(15 * MINUTE, 15 * MINUTE)
        else:
            await garage.run_to(20)
        if garage.calls[-1:] == ["turn_on"]:
            hours.add(quarter // 4)
            level += 10 / 4 / 60 * 100
    return sorted(hours)


async def create_cheapest(hass: HomeAssistant, **inputs: Any) -> None:
    await create_automation(hass, "charge_in_cheapest_hours", price=PRICE, target_level=80, **inputs)


@pytest.mark.parametrize("style", ["start and end", "text", "hour", "quarters"])
@pytest.mark.parametrize(
    ("level", "expected"), [(31, [23, 25, 27]), (48, [23, 27]), (79, [23]), (80, []), (90, []), (15, [22, 23, 25, 27])]
)
async def test_car_charges_in_the_cheapest_hours_that_it_needs(
    hass: HomeAssistant, garage: Garage, *, style: str, level: int, expected: list[int]
):
    prices = list_prices(style, NIGHT)
    attributes = {"raw_today": prices[: len(prices) // 2], "raw_tomorrow": prices[len(prices) // 2 :]}
    garage.set(PRICE, 0.5, **attributes)
    await create_cheapest(hass)
    assert await charge_through_the_night(garage, level) == expected
    assert garage.calls.count("turn_on") == garage.calls.count("turn_off")


async def test_charging_waits_for_prices_that_are_not_known_yet(hass: HomeAssistant, garage: Garage):
    """At 20:00 the prices after midnight aren't known. 3 of the 7 hours after it are enough."""
    garage.set(PRICE, 0.5, raw_today=list_prices("hour", {hour: price for hour, price in NIGHT.items() if hour < 24}))
    await create_cheapest(hass)
    assert await charge_through_the_night(garage, 31, until=24) == []


async def test_car_is_charged_in_time_without_prices(hass: HomeAssistant, garage: Garage):
    garage.set(PRICE, "unavailable")
    await create_cheapest(hass)
    assert await charge_through_the_night(garage, 32) == [28, 29, 30]


async def test_sensor_without_a_list_charges_at_the_cheap_price(hass: HomeAssistant, garage: Garage):
    garage.set(PRICE, 0.3)
    garage.set(LEVEL, 50)
    await create_cheapest(hass, price_limit=0.2)
    for price, expected in ((0.21, []), (0.2, ["turn_on"]), (0.1, ["turn_on"]), (0.3, ["turn_on", "turn_off"])):
        garage.set(PRICE, price)
        await garage.run_for(15 * MINUTE, 15 * MINUTE)
        assert garage.calls == expected


@pytest.mark.parametrize(
    ("entity_id", "value"),
    [(STATE, "complete"), (STATE, "unplugged"), (TRACKER, "not_home"), (LEVEL, "unknown")],
)
async def test_cheap_hours_start_only_a_car_that_waits_at_home(
    hass: HomeAssistant, garage: Garage, entity_id: str, value: str
):
    garage.set(PRICE, 0.1)
    garage.set(LEVEL, 50)
    garage.set(entity_id, value)
    await create_cheapest(hass, price_limit=0.2)
    await garage.run_for(HOUR, 15 * MINUTE)
    assert garage.calls == []


async def test_car_that_charges_when_it_is_plugged_in_is_stopped_until_it_is_cheap(hass: HomeAssistant, garage: Garage):
    garage.set(PRICE, 0.3)
    garage.set(LEVEL, 50)
    garage.set(STATE, "unplugged")
    await create_cheapest(hass, price_limit=0.2)
    garage.set(SWITCH, "on")
    garage.set(STATE, "charging")
    await settle()
    assert garage.calls == ["turn_off"]
