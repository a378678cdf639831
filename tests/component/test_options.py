"""The options flow, and what each option changes."""

from datetime import timedelta
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import TESLA_BATTERY, SetupEntry, advance_time, make_tesla_record, wait_until
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import HYUNDAI, RENAULT, TESLA, Problem, RelayDouble, make_record

from custom_components.evconduit import home_sync, price_sync
from custom_components.evconduit.client import HomeLocation
from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.home_sync import CONF_UPLOADED_HOME
from custom_components.evconduit.price_sync import CONF_SENT_PRICE
from custom_components.evconduit.webhook_registration import CONF_SECRET

PRICE = "sensor.electricity_price"
TRACKER = "device_tracker.blue_car_location"
HOME = {"latitude": 52.37, "longitude": 4.9, "radius_m": 150}
OTHER_HOME = {"latitude": 59.33, "longitude": 18.07, "radius_m": 100}
DEFAULTS: dict[str, Any] = {
    "push_channel": "automatic",
    "expose_location": True,
    "use_home_zone": False,
    "vin_as_serial_number": False,
    "vehicles": [TESLA, HYUNDAI, RENAULT],
}


@pytest.fixture
async def home_zone(hass: HomeAssistant) -> None:
    await hass.config.async_update(latitude=52.37, longitude=4.9, radius=150)
    assert await async_setup_component(hass, "zone", {})


async def set_options(hass: HomeAssistant, entry: MockConfigEntry, **changes: Any) -> Any:
    form = await hass.config_entries.options.async_init(entry.entry_id)
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "init")
    result = await hass.config_entries.options.async_configure(form["flow_id"], DEFAULTS | changes)
    await hass.async_block_till_done()
    return result


def get_suggested(form: Any) -> dict[str, Any]:
    return {str(key): (key.description or {}).get("suggested_value") for key in form["data_schema"].schema}


async def test_form_shows_the_defaults(hass: HomeAssistant, setup_entry: SetupEntry):
    form = await hass.config_entries.options.async_init((await setup_entry()).entry_id)
    assert get_suggested(form) == DEFAULTS | {"electricity_price": None, "price_entity": None}


async def test_options_need_a_loaded_entry(hass: HomeAssistant, entry: MockConfigEntry):
    result = await hass.config_entries.options.async_init(entry.entry_id)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "entry_not_loaded")


async def test_options_are_stored_and_the_entry_is_reloaded(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    entry = await setup_entry()
    runtime = entry.runtime_data
    result = await set_options(hass, entry, push_channel="stream", vehicles=[TESLA], electricity_price=0.25)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options == {
        "push_channel": "stream",
        "expose_location": True,
        "use_home_zone": False,
        "vin_as_serial_number": False,
        "electricity_price": 0.25,
        "excluded_vehicles": sorted([HYUNDAI, RENAULT]),
    }
    await wait_until(lambda: entry.state is ConfigEntryState.LOADED and entry.runtime_data is not runtime)
    form = await hass.config_entries.options.async_init(entry.entry_id)
    assert get_suggested(form)["vehicles"] == [TESLA]


async def test_account_without_cars_has_no_choice_of_cars(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.records = {}
    entry = await setup_entry()
    form = await hass.config_entries.options.async_init(entry.entry_id)
    assert "vehicles" not in get_suggested(form)
    options = {key: value for key, value in DEFAULTS.items() if key != "vehicles"}
    await hass.config_entries.options.async_configure(form["flow_id"], options)
    assert "excluded_vehicles" not in entry.options


# Cars


@pytest.mark.parametrize("push", [True, False])
async def test_car_that_is_not_selected_has_no_device(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    device_registry: dr.DeviceRegistry,
    push: bool,
):
    relay.account |= {"push": push}
    entry = await setup_entry()
    await set_options(hass, entry, vehicles=[TESLA])

    def list_devices() -> set[str]:
        devices = dr.async_entries_for_config_entry(device_registry, entry.entry_id)
        return {id_ for device in devices for _, id_ in device.identifiers} & {TESLA, HYUNDAI, RENAULT}

    await wait_until(lambda: list_devices() == {TESLA})
    assert len(relay.get_requests("/vehicles")) == (0 if push else 1)  # a poll can be hours away
    if push:
        relay.push_record(make_record(HYUNDAI, 2))
        relay.push_record(make_tesla_record(2, 58))
        await wait_until(lambda: hass.states.get(TESLA_BATTERY).state == "58")
        assert list_devices() == {TESLA}
    await set_options(hass, entry, vehicles=[TESLA, HYUNDAI])
    await wait_until(lambda: list_devices() == {TESLA, HYUNDAI})


async def test_cars_that_are_not_known_now_stay_as_they_were_selected(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    entry = await setup_entry()
    await set_options(hass, entry, vehicles=[TESLA, HYUNDAI])
    for known in ([TESLA, HYUNDAI], []):
        relay.records = {id_: make_record(id_, 9) for id_ in known}
        relay.break_streams()
        await wait_until(lambda known=known: set(entry.runtime_data.coordinator.vehicles) == set(known))
        await wait_until(lambda: not entry.runtime_data.coordinator.excluded)
        form = await hass.config_entries.options.async_init(entry.entry_id)
        values = {key: value for key, value in get_suggested(form).items() if value is not None}
        await hass.config_entries.options.async_configure(form["flow_id"], values | {"expose_location": False})
        await hass.async_block_till_done()
        assert entry.options["excluded_vehicles"] == [RENAULT]


async def test_new_car_is_shown_although_others_are_not(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    del relay.records[RENAULT]
    entry = await setup_entry()
    await set_options(hass, entry, vehicles=[TESLA])
    relay.push_record(make_record(RENAULT))
    await wait_until(lambda: set(entry.runtime_data.coordinator.vehicles) == {TESLA, RENAULT})


@pytest.mark.parametrize("by_snapshot", [True, False])
async def test_unlinked_car_disappears_from_the_choice(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, by_snapshot: bool
):
    entry = await setup_entry()
    await set_options(hass, entry, vehicles=[TESLA])
    coordinator = entry.runtime_data.coordinator
    assert set(coordinator.excluded) == {HYUNDAI, RENAULT}
    if by_snapshot:
        del relay.records[RENAULT]
        relay.break_streams()
    else:
        relay.remove_vehicle(RENAULT)
    await wait_until(lambda: set(coordinator.excluded) == {HYUNDAI})


# Location and VIN


async def test_location_that_is_not_exposed_has_no_tracker(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, entity_registry: er.EntityRegistry
):
    entry = await setup_entry()
    assert hass.states.get(TRACKER) is not None
    await set_options(hass, entry, expose_location=False)
    assert (hass.states.get(TRACKER), entity_registry.async_get(TRACKER)) == (None, None)
    assert hass.states.get(TESLA_BATTERY) is not None
    await set_options(hass, entry)
    assert hass.states.get(TRACKER) is not None


async def test_vin_is_the_serial_number_only_on_request(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, device_registry: dr.DeviceRegistry
):
    entry = await setup_entry()

    def get_serial_number() -> str | None:
        devices = dr.async_entries_for_config_entry(device_registry, entry.entry_id)
        (device,) = [device for device in devices if (DOMAIN, TESLA) in device.identifiers]
        return device.serial_number

    assert get_serial_number() is None
    await set_options(hass, entry, vin_as_serial_number=True)
    assert get_serial_number() == "5YJ3E7EB1KF111111"
    await set_options(hass, entry)
    assert get_serial_number() is None


# Push channel


@pytest.mark.usefixtures("webhook_supported")
@pytest.mark.parametrize(
    ("channel", "has_stream", "has_webhook"),
    [("automatic", True, True), ("stream", True, False), ("webhook", False, True)],
)
async def test_push_channel_is_the_chosen_one(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    channel: str,
    has_stream: bool,
    has_webhook: bool,
):
    entry = await setup_entry()
    await wait_until(lambda: relay.endpoint and entry.data.get(CONF_SECRET))
    await set_options(hass, entry, push_channel=channel)
    await wait_until(lambda: bool(relay.endpoint) is has_webhook)
    await wait_until(lambda: bool(relay.streams) is has_stream)
    assert entry.runtime_data.coordinator.is_streaming is has_stream
    assert hass.states.get(TESLA_BATTERY).state == "57"


# Home


@pytest.mark.usefixtures("home_zone")
async def test_home_zone_is_uploaded_only_on_request(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    entry = await setup_entry()
    assert relay.get_requests("/home") == []
    await set_options(hass, entry, use_home_zone=True)
    await wait_until(lambda: relay.setup.home == HOME)
    await wait_until(lambda: entry.data.get(CONF_UPLOADED_HOME) == HOME)
    await hass.config.async_update(latitude=52.4)
    await wait_until(lambda: relay.setup.home == HOME | {"latitude": 52.4})
    await wait_until(lambda: entry.data.get(CONF_UPLOADED_HOME) == relay.setup.home)
    await set_options(hass, entry)
    await wait_until(lambda: relay.setup.home is None and CONF_UPLOADED_HOME not in entry.data)


@pytest.mark.usefixtures("home_zone")
async def test_home_of_another_installation_is_not_overwritten(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.setup.home = OTHER_HOME
    entry = await setup_entry()
    result = await set_options(hass, entry, use_home_zone=True)
    assert (result["type"], result["errors"]) == (FlowResultType.FORM, {"use_home_zone": "home_set_elsewhere"})
    assert (relay.setup.home, entry.options) == (OTHER_HOME, {})


@pytest.mark.usefixtures("home_zone")
@pytest.mark.parametrize("is_switched_off", [True, False])
async def test_home_that_another_installation_sets_later_is_left_alone(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, is_switched_off: bool
):
    entry = await setup_entry()
    await set_options(hass, entry, use_home_zone=True)
    await wait_until(lambda: entry.data.get(CONF_UPLOADED_HOME))
    relay.setup.home = OTHER_HOME
    if is_switched_off:
        await set_options(hass, entry)
    else:
        await hass.config.async_update(latitude=52.4)
    await wait_until(lambda: CONF_UPLOADED_HOME not in entry.data)
    assert relay.setup.home == OTHER_HOME


@pytest.mark.usefixtures("home_zone")
async def test_same_home_of_another_installation_can_be_shared(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.setup.home = HOME
    entry = await setup_entry()
    assert (await set_options(hass, entry, use_home_zone=True))["type"] is FlowResultType.CREATE_ENTRY
    await wait_until(lambda: relay.get_requests("/home"))
    await set_options(hass, entry)
    assert relay.setup.home == HOME


@pytest.mark.usefixtures("home_zone")
async def test_home_is_uploaded_later_if_the_relay_is_away(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(home_sync, "RETRY_DELAY", timedelta(milliseconds=5))
    entry = await setup_entry()
    with relay.failing("home", with_=Problem(503, "unavailable")):
        result = await set_options(hass, entry, use_home_zone=True)
    assert (result["type"], result["errors"]) == (FlowResultType.FORM, {"base": "cannot_connect"})
    hass.config_entries.async_update_entry(entry, options={"use_home_zone": True})
    with relay.failing("home", with_=Problem(503, "unavailable")):
        count = len(relay.get_requests("/home"))
        await hass.config_entries.async_reload(entry.entry_id)
        await wait_until(lambda: len(relay.get_requests("/home")) > count + 2)
    await wait_until(lambda: relay.setup.home == HOME)


@pytest.mark.parametrize(("radius", "uploaded"), [(10, 50), (50, 50), (99.6, 100), (20_000, 10_000)])
def test_radius_of_the_zone_becomes_one_that_the_relay_accepts(radius: float, uploaded: int):
    assert HomeLocation.create(52.37, 4.9, radius).radius == uploaded


@pytest.mark.parametrize(
    ("changes", "is_same"),
    [
        ({}, True),
        ({"latitude": 52.3700005}, True),
        ({"latitude": 52.37001}, False),
        ({"longitude": 4.90001}, False),
        ({"radius": 151}, False),
    ],
)
def test_homes_are_the_same_apart_from_rounding(changes: dict[str, Any], *, is_same: bool):
    home = {"latitude": 52.37, "longitude": 4.9, "radius": 150}
    assert HomeLocation(**home).is_same(HomeLocation(**home | changes)) is is_same


# Electricity price


@pytest.fixture
def _no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRACE", "START_GRACE", "RETRY_DELAY"):
        monkeypatch.setattr(price_sync, name, timedelta(milliseconds=5))


async def test_fixed_price_is_sent(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    entry = await setup_entry()
    await set_options(hass, entry, electricity_price=0.25)
    await wait_until(lambda: relay.setup.rate == {"cost_per_kwh": 0.25, "currency": "EUR"})
    await wait_until(lambda: entry.data.get(CONF_SENT_PRICE))
    await set_options(hass, entry)
    await wait_until(lambda: relay.setup.rate is None and CONF_SENT_PRICE not in entry.data)


async def test_rate_that_was_set_elsewhere_is_kept_without_the_option(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.setup.rate = {"cost_per_kwh": 0.4, "currency": "EUR"}
    entry = await setup_entry()
    await set_options(hass, entry)
    await entry.runtime_data.client.get_account()
    assert relay.get_requests("/electricity-rate") == []


@pytest.mark.usefixtures("_no_grace")
async def test_each_price_of_an_entity_is_sent(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    hass.states.async_set(PRICE, "85.4", {"unit_of_measurement": "EUR/MWh"})
    entry = await setup_entry()
    await set_options(hass, entry, price_entity=PRICE)
    await wait_until(lambda: relay.setup.rate == {"cost_per_kwh": 0.0854, "currency": "EUR"})
    hass.states.async_set(PRICE, "-12", {"unit_of_measurement": "ct/kWh"})
    await wait_until(lambda: relay.setup.rate == {"cost_per_kwh": -0.12, "currency": "EUR"})
    hass.states.async_set(PRICE, "unavailable")
    await wait_until(lambda: relay.setup.rate is None)
    hass.states.async_set(PRICE, "123", {"unit_of_measurement": "öre/kWh"})
    await wait_until(lambda: relay.setup.rate == {"cost_per_kwh": 1.23, "currency": "SEK"})


async def test_short_gap_of_the_entity_does_not_end_a_price(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    hass.states.async_set(PRICE, "0.3", {"unit_of_measurement": "EUR/kWh"})
    entry = await setup_entry()
    await set_options(hass, entry, price_entity=PRICE)
    await wait_until(lambda: entry.data.get(CONF_SENT_PRICE))
    hass.states.async_set(PRICE, "unavailable")
    await hass.async_block_till_done()
    await advance_time(hass, freezer, timedelta(seconds=30))
    hass.states.async_set(PRICE, "0.3", {"unit_of_measurement": "EUR/kWh"})
    await hass.async_block_till_done()
    await entry.runtime_data.client.get_account()
    assert [request.method for request in relay.get_requests("/electricity-rate")] == ["PUT"]


@pytest.mark.usefixtures("_no_grace")
async def test_price_is_sent_again_until_the_relay_has_it(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    entry = await setup_entry()
    with relay.failing("electricity_rate", with_=Problem(503, "unavailable")):
        await set_options(hass, entry, electricity_price=0.25)
        await wait_until(lambda: len(relay.get_requests("/electricity-rate")) > 2)
    await wait_until(lambda: relay.setup.rate)


async def test_price_that_the_relay_refuses_is_not_sent_again(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    entry = await setup_entry()
    relay.problems["electricity_rate"] = Problem(403, "forbidden")
    await set_options(hass, entry, electricity_price=0.25)
    await wait_until(lambda: relay.get_requests("/electricity-rate"))
    await entry.runtime_data.client.get_account()
    assert len(relay.get_requests("/electricity-rate")) == 1


@pytest.mark.parametrize(
    ("state", "unit", "error"),
    [
        ("21", "°C", "no_price_unit"),
        ("21", None, "no_price_unit"),
        ("unavailable", None, None),
        ("unknown", None, None),
        ("unavailable", "EUR/kWh", None),
        (None, None, None),
    ],
)
async def test_entity_needs_the_unit_of_a_price(
    hass: HomeAssistant, setup_entry: SetupEntry, *, state: str | None, unit: str | None, error: str | None
):
    if state is not None:
        hass.states.async_set(PRICE, state, {"unit_of_measurement": unit} if unit else {})
    result = await set_options(hass, await setup_entry(), price_entity=PRICE)
    assert (result["type"] is FlowResultType.FORM) is (error is not None)
    if error:
        assert result["errors"] == {"price_entity": error}
        assert get_suggested(result)["price_entity"] == PRICE


async def test_only_one_price_can_be_chosen(hass: HomeAssistant, setup_entry: SetupEntry):
    hass.states.async_set(PRICE, "0.3", {"unit_of_measurement": "EUR/kWh"})
    result = await set_options(hass, await setup_entry(), price_entity=PRICE, electricity_price=0.3)
    assert result["errors"] == {"electricity_price": "two_prices"}
