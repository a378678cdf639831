"""The calendar of a car: its charging sessions, and when smart charging is going to charge."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from control_double import make_session
from helpers import SetupEntry, get_state, wait_for_state
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from relay_double import TESLA, Problem, RelayDouble, make_record

CALENDAR = "calendar.blue_car_charging_sessions"
STOPPED = {"chargeState": {"isCharging": False, "powerDeliveryState": "PLUGGED_IN:STOPPED"}}
HOUR = timedelta(hours=1)


def at(offset: timedelta) -> str:
    return (datetime.now(UTC) + offset).isoformat()


def make_plan(start: timedelta, finish: timedelta, **changes: Any) -> dict[str, Any]:
    plan = {"start_at": at(start), "estimated_finish_at": at(finish), "ended_at": None} | changes
    return {"state": "PLAN:EXECUTING:STOPPED", "since": None, "plan": plan}


@pytest.fixture(autouse=True)
def _sessions_supported(relay: RelayDouble) -> None:
    relay.account["relay"]["features"] = ["charging", "stream", "sessions"]
    relay.records[TESLA] = make_record(TESLA, vehicle=STOPPED)


async def list_events(hass: HomeAssistant, start: timedelta, end: timedelta) -> list[dict[str, Any]]:
    data = {"entity_id": CALENDAR, "start_date_time": at(start), "end_date_time": at(end)}
    response = await hass.services.async_call("calendar", "get_events", data, blocking=True, return_response=True)
    return response[CALENDAR]["events"]


async def test_sessions_and_the_plan_of_a_range_are_events(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.sessions = [
        make_session("b", at(-3 * HOUR), at(-2 * HOUR), energy_kwh=None, cost=None, soc_end=None),
        make_session("a", at(-9 * HOUR), at(-5 * HOUR)),
        make_session("c", at(-50 * HOUR), at(-49 * HOUR), kind="discharge"),
    ]
    relay.records[TESLA] = make_record(TESLA, vehicle=STOPPED, smart_charging=make_plan(2 * HOUR, 6 * HOUR))
    await setup_entry()
    events = await list_events(hass, -24 * HOUR, 24 * HOUR)
    assert [(event["summary"], event.get("description")) for event in events] == [
        ("Charging: 28.4 kWh", "31 % to 79 %, 8.80 EUR"),
        ("Charging", None),
        ("Smart charging", None),
    ]
    assert [event["summary"] for event in await list_events(hass, -60 * HOUR, -40 * HOUR)] == ["Discharging: 28.4 kWh"]
    assert await list_events(hass, 7 * HOUR, 8 * HOUR) == []


@pytest.mark.parametrize(
    ("start", "finish", "changes", "state"),
    [
        (-HOUR, HOUR, {}, "on"),
        (HOUR, 2 * HOUR, {}, "off"),
        (-2 * HOUR, -HOUR, {}, "off"),
        (-HOUR, HOUR, {"ended_at": "2026-11-20T18:00:00Z"}, "off"),
        (HOUR, -HOUR, {}, "off"),
        (-HOUR, HOUR, {"start_at": None}, "off"),
    ],
)
async def test_calendar_is_on_in_a_slot_of_smart_charging(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    start: timedelta,
    finish: timedelta,
    changes: dict[str, Any],
    state: str,
):
    relay.records[TESLA] = make_record(TESLA, vehicle=STOPPED, smart_charging=make_plan(start, finish, **changes))
    await setup_entry()
    assert get_state(hass, CALENDAR) == state


async def test_calendar_is_on_while_the_car_charges(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    """The relay adds a session when a report shows energy, after the one that shows charging."""
    await setup_entry()
    assert get_state(hass, CALENDAR) == "off"
    relay.push_record(make_record(TESLA, 2))
    await wait_for_state(hass, "binary_sensor.blue_car_charging", "on")
    assert get_state(hass, CALENDAR) == "off"
    sessions = {"current": make_session("open", at(-HOUR), None, energy_kwh=4.2), "last": None}
    relay.push_record(make_record(TESLA, 3, charging_sessions=sessions))
    await wait_for_state(hass, CALENDAR, "on")
    assert hass.states.get(CALENDAR).attributes["message"] == "Charging: 4.2 kWh"
    unknown = {"isReachable": False, "chargeState": {"isCharging": None, "powerDeliveryState": "UNKNOWN"}}
    relay.push_record(make_record(TESLA, 4, vehicle=unknown, charging_sessions=sessions))
    await wait_for_state(hass, "binary_sensor.blue_car_reachable", "off")
    assert get_state(hass, CALENDAR) == "on"
    relay.push_record(make_record(TESLA, 5, vehicle=STOPPED, charging_sessions=sessions))
    await wait_for_state(hass, CALENDAR, "off")
    assert relay.get_requests("/sessions") == []


async def test_sessions_that_the_relay_does_not_return_are_an_error(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.problems["sessions"] = Problem(503, "unavailable")
    await setup_entry()
    with pytest.raises(HomeAssistantError):
        await list_events(hass, -HOUR, HOUR)
