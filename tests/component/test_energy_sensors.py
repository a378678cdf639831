"""Energy counters of the relay, as the Energy dashboard needs them."""

from typing import Any

import pytest
from helpers import SetupEntry, get_state, wait_for_state
from homeassistant.core import HomeAssistant
from relay_double import RENAULT, TESLA, RelayDouble, make_record

TOTAL = "sensor.blue_car_charge_energy_total"
HOME = "sensor.blue_car_charge_energy_home"
DISCHARGED = "sensor.blue_car_discharge_energy_total"
ENERGY = {"lifetime_kwh": 312.5, "home_kwh": 280.125, "discharged_kwh": 41.75}


@pytest.mark.parametrize(("entity_id", "expected"), [(TOTAL, "312.5"), (HOME, "280.125"), (DISCHARGED, "41.75")])
async def test_counters_can_be_chosen_in_the_energy_dashboard(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, entity_id: str, expected: str
):
    relay.records[TESLA] = make_record(TESLA, energy=ENERGY)
    await setup_entry()
    state = hass.states.get(entity_id)
    assert state is not None
    assert state.state == expected
    attributes = {"device_class": "energy", "state_class": "total_increasing", "unit_of_measurement": "kWh"}
    assert attributes.items() <= state.attributes.items()
    assert "last_reset" not in state.attributes


@pytest.mark.parametrize(
    ("energy", "expected"),
    [
        (None, {TOTAL: "unknown"}),
        ({"lifetime_kwh": 0, "home_kwh": None, "discharged_kwh": 0}, {TOTAL: "0"}),
        ({"lifetime_kwh": 1.5, "home_kwh": 0, "discharged_kwh": 0}, {TOTAL: "1.5", HOME: "0"}),
        ({"lifetime_kwh": 1.5, "discharged_kwh": 0.001}, {TOTAL: "1.5", DISCHARGED: "0.001"}),
    ],
)
async def test_counters_exist_if_the_relay_has_them(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    energy: dict[str, Any] | None,
    expected: dict[str, str],
):
    relay.records[TESLA] = make_record(TESLA, energy=energy)
    await setup_entry()
    states = {id_: state.state for id_ in (TOTAL, HOME, DISCHARGED) if (state := hass.states.get(id_))}
    assert states == expected


@pytest.mark.parametrize(
    ("energy", "charge_state", "entity_id", "expected"),
    [
        (ENERGY | {"discharged_kwh": 0}, {}, HOME, "280.125"),
        (ENERGY | {"home_kwh": None}, {}, DISCHARGED, "41.75"),
        (ENERGY | {"discharged_kwh": 0}, {"powerDeliveryState": "PLUGGED_IN:DISCHARGING"}, DISCHARGED, "0"),
    ],
)
async def test_counters_are_added_when_the_relay_gets_them(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    energy: dict[str, Any],
    charge_state: dict[str, Any],
    entity_id: str,
    expected: str,
):
    relay.records[TESLA] = make_record(TESLA, energy=None)
    await setup_entry()
    assert hass.states.get(entity_id) is None
    relay.push_record(make_record(TESLA, 2, energy=energy, vehicle={"chargeState": charge_state}))
    await wait_for_state(hass, entity_id, expected)


async def test_counters_stay_after_a_restart_without_data(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.records[TESLA] = make_record(TESLA, energy=ENERGY)
    entry = await setup_entry()
    relay.records[TESLA] = make_record(TESLA, 2, energy=None)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert [get_state(hass, id_) for id_ in (TOTAL, HOME, DISCHARGED)] == ["unknown"] * 3
    assert hass.states.get("sensor.renault_zoe_discharge_energy_total") is None
    assert RENAULT in relay.records
