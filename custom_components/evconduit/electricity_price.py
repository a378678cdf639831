"""Reads an electricity price from the state of any entity, whatever unit it is in."""

from dataclasses import dataclass
from math import isfinite
from typing import Final

KWH_PER_UNIT: Final = {"wh": 0.001, "kwh": 1.0, "mwh": 1000.0, "gwh": 1_000_000.0}
"""Energy units in lower case. A price for a milliwatt hour doesn't exist, so their case doesn't matter."""

CURRENCIES_BY_SYMBOL: Final = {
    "€": "EUR",
    "£": "GBP",
    "₹": "INR",
    "₺": "TRY",
    "₴": "UAH",
    "zł": "PLN",
    "kč": "CZK",
    "ft": "HUF",
    "лв": "BGN",
    "lei": "RON",
}
"""Symbols that mean one currency."""
SHARED_SYMBOLS: Final = {"$": ("USD", "AUD", "CAD", "NZD"), "¥": ("JPY", "CNY"), "kr": ("SEK", "NOK", "DKK", "ISK")}
"""Symbols of several currencies: Home Assistant's own if it is one of them, else the first."""
HUNDREDTHS: Final = {
    "öre": ("SEK",),
    "øre": ("DKK", "NOK"),
    "ore": ("SEK", "DKK", "NOK"),
    "ct": ("EUR", "USD", "AUD", "CAD", "NZD"),
    "c": ("EUR", "USD", "AUD", "CAD", "NZD"),
    "¢": ("USD", "AUD", "CAD", "NZD"),
    "cent": ("EUR", "USD", "AUD", "CAD", "NZD"),
    "cents": ("EUR", "USD", "AUD", "CAD", "NZD"),
    "eurocent": ("EUR",),
    "p": ("GBP",),
    "pence": ("GBP",),
    "gr": ("PLN",),
    "rp": ("CHF",),
    "rappen": ("CHF",),
}
"""Names of a hundredth of a currency, as for the shared symbols."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceUnit:
    """A unit of a price: `factor` converts it to `currency` per kWh."""

    currency: str
    factor: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """The price of a kWh. It can be negative."""

    per_kwh: float
    currency: str


def parse_price_unit(unit: str | None, currency: str) -> PriceUnit | None:
    """Parse a unit such as `EUR/MWh` or `öre/kWh`. None if it isn't a price of energy.

    `currency` is Home Assistant's, which decides what a unit means that several currencies have.
    """
    money, separator, energy = (unit or "").partition("/")
    kwh = KWH_PER_UNIT.get(energy.strip().lower())
    if not separator or kwh is None:
        return None
    parsed = _parse_money(money.strip(), currency)
    return PriceUnit(currency=parsed[0], factor=parsed[1] / kwh) if parsed else None


def parse_price(state: str, unit: str | None, currency: str) -> Price | None:
    """Parse the state of a price entity. None if it has no number, or no unit of a price."""
    price_unit = parse_price_unit(unit, currency)
    try:
        value = float(state)
    except ValueError:
        return None
    if price_unit is None or not isfinite(value):
        return None
    return Price(per_kwh=round(value * price_unit.factor, 9), currency=price_unit.currency)


def _parse_money(text: str, currency: str) -> tuple[str, float] | None:
    """Return the currency, and how many of it the unit is."""
    name = text.lower()
    if name in HUNDREDTHS:
        return _choose(HUNDREDTHS[name], currency), 0.01
    if name in SHARED_SYMBOLS:
        return _choose(SHARED_SYMBOLS[name], currency), 1.0
    if name in CURRENCIES_BY_SYMBOL:
        return CURRENCIES_BY_SYMBOL[name], 1.0
    if len(text) == len("EUR") and text.isascii() and text.isalpha():
        return text.upper(), 1.0
    return None


def _choose(currencies: tuple[str, ...], preferred: str) -> str:
    return preferred if preferred in currencies else currencies[0]
