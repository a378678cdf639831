"""Charging sessions and costs."""

from typing import Any

import pytest
from helpers import SetupEntry, get_state, wait_for_state
from homeassistant.core import HomeAssistant, State
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import mock_restore_cache_with_extra_data
from relay_double import TESLA, RelayDouble, make_record

ENERGY = "sensor.blue_car_charge_energy_session"
COST = "sensor.blue_car_charge_cost_session"
TOTAL_COST = "sensor.blue_car_charge_cost_total"
LAST_COST = "sensor.blue_car_last_session_cost"
PLACE = "sensor.blue_car_last_session_place"
STARTED_AT = "2026-11-20T16:00:00+00:00"


def make_session(id_: str = "s1", *, energy: float | None = 8.5, **changes: Any) -> dict[str, Any]:
    cost = None if energy is None else {"amount": 2.125, "currency": "EUR", "per_kwh": 0.25}
    return {
        "id": id_,
        "started_at": "2026-11-20T16:00:00.000Z",
        "ended_at": "2026-11-20T17:00:00.000Z",
        "energy_kwh": energy,
        "soc_start": 40,
        "soc_end": 55,
        "at_home": True,
        "latitude": 52.0907,
        "longitude": 5.1214,
        "cost": cost,
    } | changes


def make_sessions(
    revision: int = 1, current: dict | None = None, last: dict | None = None, total: float | None = 96.5
) -> dict[str, Any]:
    cost = None if total is None else {"amount": total, "currency": "EUR", "since": "2026-11-01T00:00:00.000Z"}
    energy = {"lifetime_kwh": 1, "home_kwh": None, "discharged_kwh": 0, "cost": cost}
    return make_record(TESLA, revision, energy=energy, charging_sessions={"current": current, "last": last})


def get_last_reset(hass: HomeAssistant, entity_id: str) -> str | None:
    state = hass.states.get(entity_id)
    assert state is not None
    return state.attributes["last_reset"]


async def test_last_session_is_shown(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    relay.records[TESLA] = make_sessions(last=make_session())
    await setup_entry()
    prefix = "sensor.blue_car_last_session_"
    shown = {
        state.entity_id.removeprefix(prefix): (state.state, state.attributes.get("unit_of_measurement"))
        for state in hass.states.async_all()
        if state.entity_id.startswith(prefix)
    }
    assert shown == {
        "started": (STARTED_AT, None),
        "ended": ("2026-11-20T17:00:00+00:00", None),
        "energy": ("8.5", "kWh"),
        "cost": ("2.125", "EUR"),
        "level_start": ("40", "%"),
        "level_end": ("55", "%"),
        "place": ("home", None),
    }


async def test_totals_have_the_start_of_what_they_add_up(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.records[TESLA] = make_sessions(last=make_session())
    await setup_entry()
    expected = {
        ENERGY: ("8.5", STARTED_AT),
        COST: ("2.125", STARTED_AT),
        TOTAL_COST: ("96.5", "2026-11-01T00:00:00+00:00"),
    }
    for entity_id, (value, last_reset) in expected.items():
        state = hass.states.get(entity_id)
        assert state is not None
        assert (state.state, state.attributes["last_reset"]) == (value, last_reset)
        assert state.attributes["state_class"] == "total"
    cost = hass.states.get(TOTAL_COST)
    assert cost is not None
    assert (cost.attributes["device_class"], cost.attributes["unit_of_measurement"]) == ("monetary", "EUR")


async def test_session_under_way_is_the_current_one_and_not_the_last(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.records[TESLA] = make_sessions(last=make_session())
    await setup_entry()
    current = make_session("s2", energy=1.5, started_at="2026-11-20T18:00:00Z", ended_at=None)
    relay.push_record(make_sessions(2, current, make_session()))
    await wait_for_state(hass, ENERGY, "1.5")
    assert get_last_reset(hass, ENERGY) == "2026-11-20T18:00:00+00:00"
    assert get_state(hass, "sensor.blue_car_last_session_energy") == "8.5"
    ended = current | {"energy_kwh": 2.5, "ended_at": "2026-11-20T18:30:00Z"}
    relay.push_record(make_sessions(3, None, ended))
    await wait_for_state(hass, "sensor.blue_car_last_session_energy", "2.5")
    assert get_state(hass, ENERGY) == "2.5"


async def test_moved_start_of_a_session_is_no_new_session(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    """Home Assistant would count the energy of the session twice."""
    relay.records[TESLA] = make_sessions(last=make_session())
    await setup_entry()
    moved = make_session(energy=8.75, started_at="2026-11-20T15:50:00Z")
    relay.push_record(make_sessions(2, None, moved))
    await wait_for_state(hass, ENERGY, "8.75")
    assert get_last_reset(hass, ENERGY) == STARTED_AT
    assert get_state(hass, "sensor.blue_car_last_session_started") == "2026-11-20T15:50:00+00:00"


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({"id": "s1", "started_at": "2026-11-20T15:45:00+00:00"}, "2026-11-20T15:45:00+00:00"),
        ({"id": "other", "started_at": "2026-11-20T15:45:00+00:00"}, STARTED_AT),
        ({"id": "s1", "started_at": "nonsense"}, STARTED_AT),
        ({}, STARTED_AT),
    ],
)
async def test_first_start_of_a_session_survives_a_restart(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, stored: dict[str, str], expected: str
):
    mock_restore_cache_with_extra_data(hass, [(State(ENERGY, "8.5"), stored)])
    relay.records[TESLA] = make_sessions(last=make_session())
    await setup_entry()
    assert get_last_reset(hass, ENERGY) == expected


@pytest.mark.parametrize(
    ("record", "missing"),
    [
        (make_sessions(), {ENERGY, PLACE}),
        (make_sessions(last=make_session(cost=None), total=None), {COST, TOTAL_COST}),
        (make_record(TESLA), {ENERGY, COST, TOTAL_COST, PLACE}),
    ],
    ids=["no session", "no price", "older relay"],
)
async def test_sensors_exist_if_the_relay_has_the_data(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, record: dict[str, Any], missing: set[str]
):
    relay.records[TESLA] = record
    await setup_entry()
    assert {id_ for id_ in (ENERGY, COST, TOTAL_COST, PLACE) if hass.states.get(id_) is None} == missing
    relay.push_record(make_sessions(2, None, make_session()))
    for entity_id, value in ((ENERGY, "8.5"), (COST, "2.125"), (TOTAL_COST, "96.5"), (PLACE, "home")):
        await wait_for_state(hass, entity_id, value)


async def test_first_session_is_not_the_last_one_while_it_is_under_way(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.records[TESLA] = make_sessions(current=make_session(ended_at=None))
    await setup_entry()
    assert get_state(hass, ENERGY) == "8.5"
    states = [state for state in hass.states.async_all() if "last_session" in state.entity_id]
    assert {state.state for state in states} == {"unknown"}
    assert len(states) == 7


async def test_unknown_energy_and_cost_are_unknown(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    relay.records[TESLA] = make_sessions(last=make_session(energy=None))
    await setup_entry()
    assert (get_state(hass, ENERGY), get_state(hass, COST)) == ("unknown", "unknown")


async def test_cost_in_another_currency_than_the_unit_is_unknown(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    """The unit is the currency that was used last. An amount in the one before would be shown in the wrong one."""
    in_kronor = make_session("s0", cost={"amount": 24.5, "currency": "SEK", "per_kwh": 2.9})
    relay.records[TESLA] = make_sessions(last=in_kronor)
    await setup_entry()
    assert (get_state(hass, COST), get_state(hass, LAST_COST)) == ("unknown", "unknown")
    relay.push_record(make_sessions(2, make_session(ended_at=None), in_kronor))
    await wait_for_state(hass, COST, "2.125")
    assert get_state(hass, LAST_COST) == "unknown"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"at_home": True, "latitude": 0, "longitude": 0}, "home"),
        ({"at_home": False}, "away"),
        ({"at_home": None, "latitude": 32.87336, "longitude": -117.22743}, "home"),
        ({"at_home": None}, "away"),
        ({"at_home": None, "latitude": None}, "unknown"),
        ({"at_home": None, "longitude": None}, "unknown"),
    ],
)
async def test_place_of_the_last_session(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, changes: dict[str, Any], expected: str
):
    """Without a home on the relay, Home Assistant's own zone decides. It's in San Diego here."""
    assert await async_setup_component(hass, "zone", {})
    relay.records[TESLA] = make_sessions(last=make_session(**changes))
    await setup_entry()
    assert get_state(hass, PLACE) == expected
