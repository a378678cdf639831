"""External statistics of energy and cost, in Home Assistant's real recorder."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import SetupEntry, wait_until
from homeassistant.components.recorder import Recorder, get_instance
from homeassistant.components.recorder.statistics import (
    list_statistic_ids,
    statistics_during_period,
    validate_statistics,
)
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from relay_double import HYUNDAI, RENAULT, TESLA, Problem, RelayDouble, make_record

START = datetime(2026, 10, 1, tzinfo=UTC)
ENERGY_ID = "evconduit:a1f0c2d4000040008000000000000001_charge_energy"
COST_ID = "evconduit:a1f0c2d4000040008000000000000001_charge_cost"
SECOND = timedelta(seconds=1)

type Rows = list[tuple[int, float, float]]


def make_hour(number: int, energy: float, cost: float | None, revision: int = 1, currency: str = "EUR") -> dict:
    return {
        "hour": (START + timedelta(hours=number)).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "energy_kwh": energy,
        "home_kwh": energy,
        "discharged_kwh": 0,
        "cost": cost,
        "currency": None if cost is None else currency,
        "revision": revision,
    }


def make_charged(revision: int, lifetime: float, currency: str | None = "EUR") -> dict[str, Any]:
    cost = currency and {"amount": lifetime / 4, "currency": currency, "since": "2026-10-01T00:00:00Z"}
    energy = {"lifetime_kwh": lifetime, "home_kwh": None, "discharged_kwh": 0, "cost": cost}
    return make_record(TESLA, revision, energy=energy)


class Database:
    """Reads statistics, after what was imported is written."""

    def __init__(self, hass: HomeAssistant, relay: RelayDouble) -> None:
        self.hass = hass
        self.relay = relay

    async def get_rows(self, statistic_id: str = ENERGY_ID) -> Rows:
        await self.hass.async_block_till_done(wait_background_tasks=False)
        recorder = get_instance(self.hass)
        await recorder.async_block_till_done()
        stored = await recorder.async_add_executor_job(
            statistics_during_period, self.hass, START, None, {statistic_id}, "hour", None, {"state", "sum"}
        )
        return [
            (round((row["start"] - START.timestamp()) / 3600), round(row["state"], 6), round(row["sum"], 6))
            for row in stored.get(statistic_id, [])
        ]

    async def wait_for_rows(self, expected: Rows, statistic_id: str = ENERGY_ID) -> None:
        rows: Rows = []
        for _ in range(200):
            rows = await self.get_rows(statistic_id)
            if rows == expected:
                return
        assert rows == expected

    def get_requests(self) -> int:
        return len(self.relay.get_requests("/energy-hours"))


@pytest.fixture
async def database(
    recorder_mock: Recorder, hass: HomeAssistant, relay: RelayDouble, freezer: FrozenDateTimeFactory
) -> AsyncIterator[Database]:
    """A recorder, and a car that was charged in three hours before Home Assistant knew it."""
    freezer.move_to(START + timedelta(days=20))
    relay.account["relay"]["features"] = ["charging", "stream", "energy_hours"]
    for vehicle_id in (HYUNDAI, RENAULT):
        del relay.records[vehicle_id]
    relay.records[TESLA] = make_charged(1, 9)
    relay.energy_hours[TESLA] = [make_hour(0, 2, 0.5), make_hour(1, 3, 0.75), make_hour(30, 4, None)]
    return Database(hass, relay)


async def import_again(hass: HomeAssistant, freezer: FrozenDateTimeFactory, after: timedelta) -> None:
    freezer.tick(after + SECOND)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()


async def test_history_from_before_the_installation_is_imported(
    hass: HomeAssistant, database: Database, setup_entry: SetupEntry
):
    await setup_entry()
    await database.wait_for_rows([(0, 2, 2), (1, 3, 5), (30, 4, 9)])
    # The price of the third hour is not known.
    await database.wait_for_rows([(0, 0.5, 0.5), (1, 0.75, 1.25)], COST_ID)
    recorder = get_instance(hass)
    ids = await recorder.async_add_executor_job(list_statistic_ids, hass)
    found = {row["statistic_id"]: row for row in ids if row["source"] == "evconduit"}
    assert set(found) == {ENERGY_ID, COST_ID}
    energy, cost = found[ENERGY_ID], found[COST_ID]
    assert (energy["name"], energy["unit_class"], energy["statistics_unit_of_measurement"], energy["has_sum"]) == (
        "Blue car charge energy", "energy", "kWh", True,
    )  # fmt: skip
    assert (cost["name"], cost["unit_class"], cost["statistics_unit_of_measurement"]) == (
        "Blue car charge cost", None, "EUR",
    )  # fmt: skip
    issues = await recorder.async_add_executor_job(validate_statistics, hass)
    assert not {ENERGY_ID, COST_ID} & set(issues)


async def test_amended_hours_are_imported_from_the_first_one(
    hass: HomeAssistant,
    relay: RelayDouble,
    database: Database,
    setup_entry: SetupEntry,
    freezer: FrozenDateTimeFactory,
):
    await setup_entry()
    await database.wait_for_rows([(0, 2, 2), (1, 3, 5), (30, 4, 9)])
    relay.energy_hours[TESLA] = [make_hour(0, 2, 0.5), make_hour(1, 1, 0.25, 2), make_hour(30, 4, 1, 3)]
    relay.push_record(make_charged(2, 9.5))
    await wait_until(lambda: hass.states.get("sensor.blue_car_charge_energy_total").state == "9.5")
    requests = database.get_requests()
    await import_again(hass, freezer, timedelta(minutes=5))
    await wait_until(lambda: database.get_requests() > requests)
    await database.wait_for_rows([(0, 2, 2), (1, 1, 3), (30, 4, 7)])
    await database.wait_for_rows([(0, 0.5, 0.5), (1, 0.25, 0.75), (30, 1, 1.75)], COST_ID)


async def test_emptied_hours_keep_the_sum(
    hass: HomeAssistant,
    relay: RelayDouble,
    database: Database,
    setup_entry: SetupEntry,
    freezer: FrozenDateTimeFactory,
):
    await setup_entry()
    await database.wait_for_rows([(0, 2, 2), (1, 3, 5), (30, 4, 9)])
    relay.energy_hours[TESLA] = [make_hour(0, 2, 0.5), make_hour(1, 0, 0, 2), make_hour(30, 4, None)]
    relay.push_record(make_charged(2, 9.25))
    await wait_until(lambda: hass.states.get("sensor.blue_car_charge_energy_total").state == "9.25")
    await import_again(hass, freezer, timedelta(minutes=5))
    await database.wait_for_rows([(0, 2, 2), (1, 0, 2), (30, 4, 6)])
    await database.wait_for_rows([(0, 0.5, 0.5), (1, 0, 0.5)], COST_ID)


async def test_importing_everything_again_changes_nothing(
    hass: HomeAssistant, relay: RelayDouble, database: Database, setup_entry: SetupEntry
):
    entry = await setup_entry()
    await database.wait_for_rows([(0, 2, 2), (1, 3, 5), (30, 4, 9)])
    relay.hours_per_page = 1
    for _ in range(2):
        requests = database.get_requests()
        await hass.config_entries.async_reload(entry.entry_id)
        await wait_until(lambda requests=requests: database.get_requests() >= requests + 3)
        assert await database.get_rows() == [(0, 2, 2), (1, 3, 5), (30, 4, 9)]


async def test_everything_is_compared_once_a_day(
    hass: HomeAssistant,
    relay: RelayDouble,
    database: Database,
    setup_entry: SetupEntry,
    freezer: FrozenDateTimeFactory,
):
    """A restored relay has lost an hour that Home Assistant has."""
    await setup_entry()
    await database.wait_for_rows([(0, 2, 2), (1, 3, 5), (30, 4, 9)])
    relay.energy_hours[TESLA] = [make_hour(1, 3, 0.75), make_hour(40, 1, 0.25)]
    await import_again(hass, freezer, timedelta(days=1))
    await database.wait_for_rows([(0, 0, 0), (1, 3, 3), (30, 0, 3), (40, 1, 4)])


async def test_pages_are_imported_as_one(relay: RelayDouble, database: Database, setup_entry: SetupEntry):
    relay.hours_per_page = 2
    relay.energy_hours[TESLA] = [make_hour(number, 1, 0.25) for number in range(5)]
    await setup_entry()
    await database.wait_for_rows([(number, 1, number + 1) for number in range(5)])


async def test_new_currency_replaces_the_costs(
    hass: HomeAssistant,
    relay: RelayDouble,
    database: Database,
    setup_entry: SetupEntry,
    freezer: FrozenDateTimeFactory,
):
    """A statistic has one currency."""
    await setup_entry()
    await database.wait_for_rows([(0, 0.5, 0.5), (1, 0.75, 1.25)], COST_ID)
    relay.energy_hours[TESLA].append(make_hour(40, 2, 5, 2, "SEK"))
    relay.push_record(make_charged(2, 11, "SEK"))
    await wait_until(lambda: hass.states.get("sensor.blue_car_charge_energy_total").state == "11")
    await import_again(hass, freezer, timedelta(minutes=5))
    await database.wait_for_rows([(0, 0, 0), (1, 0, 0), (40, 5, 5)], COST_ID)
    await database.wait_for_rows([(0, 2, 2), (1, 3, 5), (30, 4, 9), (40, 2, 11)])


async def test_account_without_a_price_has_no_cost_statistic(
    hass: HomeAssistant, relay: RelayDouble, database: Database, setup_entry: SetupEntry
):
    relay.records[TESLA] = make_charged(1, 9, None)
    relay.energy_hours[TESLA] = [make_hour(0, 2, None)]
    await setup_entry()
    await database.wait_for_rows([(0, 2, 2)])
    ids = await get_instance(hass).async_add_executor_job(list_statistic_ids, hass)
    assert COST_ID not in {row["statistic_id"] for row in ids}


async def test_failed_import_is_repeated(
    hass: HomeAssistant,
    relay: RelayDouble,
    database: Database,
    setup_entry: SetupEntry,
    freezer: FrozenDateTimeFactory,
):
    with relay.failing("energy-hours", with_=Problem(503, "unavailable")):
        await setup_entry()
        await wait_until(database.get_requests)
        await hass.async_block_till_done()
    assert await database.get_rows() == []
    await import_again(hass, freezer, timedelta(minutes=30))
    await database.wait_for_rows([(0, 2, 2), (1, 3, 5), (30, 4, 9)])


@pytest.mark.parametrize(
    ("features", "record"),
    [
        (["charging", "stream"], make_charged(1, 9)),
        (["charging", "stream", "energy_hours"], make_record(TESLA, energy=None)),
    ],
    ids=["older relay", "never charged"],
)
async def test_nothing_is_requested_without_hours(
    hass: HomeAssistant,
    relay: RelayDouble,
    database: Database,
    setup_entry: SetupEntry,
    *,
    features: list[str],
    record: dict[str, Any],
):
    relay.account["relay"]["features"] = features
    relay.records[TESLA] = record
    await setup_entry()
    await hass.async_block_till_done(wait_background_tasks=False)
    assert await database.get_rows() == []
    assert database.get_requests() == 0


async def test_nothing_is_requested_without_a_recorder(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.account["relay"]["features"] = ["charging", "stream", "energy_hours"]
    relay.records[TESLA] = make_charged(1, 9)
    entry: MockConfigEntry = await setup_entry()
    for _ in range(3):
        await entry.runtime_data.client.get_account()
    assert relay.get_requests("/energy-hours") == []
