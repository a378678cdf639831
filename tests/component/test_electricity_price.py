"""Prices of any entity become a price of a kWh in a currency."""

import probatio as vol
import pytest
from helpers import SetupEntry
from homeassistant.core import HomeAssistant
from hypothesis import given
from hypothesis import strategies as st
from relay_double import RelayDouble

from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.electricity_price import Price, PriceUnit, parse_price, parse_price_unit


@pytest.mark.parametrize(
    ("unit", "currency", "expected"),
    [
        ("EUR/kWh", "EUR", ("EUR", 1)),
        ("EUR/kWh", "SEK", ("EUR", 1)),
        ("eur/kwh", "SEK", ("EUR", 1)),
        ("€/kWh", "SEK", ("EUR", 1)),
        ("EUR/MWh", "EUR", ("EUR", 0.001)),
        ("€ / MWh", "EUR", ("EUR", 0.001)),
        ("SEK/Wh", "SEK", ("SEK", 1000)),
        ("NOK/GWh", "NOK", ("NOK", 0.000001)),
        ("öre/kWh", "SEK", ("SEK", 0.01)),
        ("Öre/kWh", "EUR", ("SEK", 0.01)),
        ("øre/kWh", "NOK", ("NOK", 0.01)),
        ("øre/kWh", "DKK", ("DKK", 0.01)),
        ("ore/kWh", "DKK", ("DKK", 0.01)),
        ("ct/kWh", "EUR", ("EUR", 0.01)),
        ("ct/kWh", "SEK", ("EUR", 0.01)),
        ("c/kWh", "AUD", ("AUD", 0.01)),
        ("¢/kWh", "CAD", ("CAD", 0.01)),
        ("cents/kWh", "USD", ("USD", 0.01)),
        ("Eurocent/kWh", "EUR", ("EUR", 0.01)),
        ("ct/MWh", "EUR", ("EUR", 0.00001)),
        ("p/kWh", "GBP", ("GBP", 0.01)),
        ("pence/kWh", "EUR", ("GBP", 0.01)),
        ("gr/kWh", "PLN", ("PLN", 0.01)),
        ("Rp/kWh", "CHF", ("CHF", 0.01)),
        ("zł/kWh", "PLN", ("PLN", 1)),
        ("Kč/kWh", "CZK", ("CZK", 1)),
        ("Ft/kWh", "HUF", ("HUF", 1)),
        ("£/kWh", "EUR", ("GBP", 1)),
        ("$/kWh", "CAD", ("CAD", 1)),
        ("$/kWh", "EUR", ("USD", 1)),
        ("kr/kWh", "DKK", ("DKK", 1)),
        ("kr/kWh", "EUR", ("SEK", 1)),
        ("¥/kWh", "JPY", ("JPY", 1)),
    ],
)
def test_unit_of_a_price_is_understood(unit: str, currency: str, expected: tuple[str, float]):
    parsed = parse_price_unit(unit, currency)
    assert parsed == PriceUnit(currency=expected[0], factor=pytest.approx(expected[1]))


@pytest.mark.parametrize("unit", [None, "", "EUR", "kWh", "EUR/h", "EUR/m³", "/kWh", "°C", "euros/kWh", "W/kWh"])
def test_other_units_are_no_price(unit: str | None):
    assert parse_price_unit(unit, "EUR") is None
    assert parse_price("1", unit, "EUR") is None


@pytest.mark.parametrize(
    ("state", "unit", "price"),
    [
        ("0.31", "EUR/kWh", 0.31),
        ("85.4", "EUR/MWh", 0.0854),
        ("123", "öre/kWh", 1.23),
        ("-12.5", "ct/kWh", -0.125),
        ("0", "EUR/kWh", 0),
    ],
)
def test_price_is_converted(state: str, unit: str, price: float):
    parsed = parse_price(state, unit, "EUR")
    assert parsed is not None
    assert parsed.per_kwh == price


@pytest.mark.parametrize("state", ["unavailable", "unknown", "", "none", "nan", "inf", "-inf", "1,5"])
def test_state_without_a_number_is_no_price(state: str):
    assert parse_price(state, "EUR/kWh", "EUR") is None


@given(st.floats(min_value=-10, max_value=10), st.sampled_from(["EUR", "SEK", "USD"]))
def test_unit_does_not_change_the_price(value: float, currency: str):
    per_kwh = parse_price(str(value), f"{currency}/kWh", "EUR")
    per_mwh = parse_price(str(value * 1000), f"{currency}/MWh", "EUR")
    assert per_kwh == Price(per_kwh=pytest.approx(value, abs=1e-9), currency=currency)
    assert per_mwh == Price(per_kwh=pytest.approx(value, abs=1e-9), currency=currency)


@pytest.mark.parametrize("cost", ["nan", "inf", "-inf", 1_000_001, -1_000_001])
async def test_electricity_rate_is_what_the_relay_accepts(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, cost: str | float
):
    await setup_entry()
    with pytest.raises(vol.Invalid):
        await hass.services.async_call(DOMAIN, "set_electricity_rate", {"cost_per_kwh": cost}, blocking=True)
    assert relay.get_requests("/electricity-rate") == []
