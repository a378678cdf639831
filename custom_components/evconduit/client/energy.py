"""What a vehicle has charged: counters, charging sessions and hours. Unknown values are None."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from .json_reader import JsonObject, JsonReader


@dataclass(frozen=True, kw_only=True, slots=True)
class TotalCost:
    """What charging has cost since `since`, in one currency (ISO 4217). It may decrease."""

    amount: float
    currency: str
    since: datetime | None

    @classmethod
    def parse(cls, reader: JsonReader) -> Self | None:
        """Parse the member `cost` of the counters. None without an amount or a currency."""
        amount, currency = reader.get_number("amount"), reader.get_str("currency")
        if amount is None or currency is None:
            return None
        return cls(amount=amount, currency=currency, since=reader.get_datetime("since"))


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyCounters:
    """Energy in kWh since the relay first saw the vehicle. None of the energies ever decreases."""

    lifetime_kwh: float | None
    home_kwh: float | None
    discharged_kwh: float | None
    cost: TotalCost | None

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the member `energy`."""
        return cls(
            lifetime_kwh=reader.get_number("lifetime_kwh"),
            home_kwh=reader.get_number("home_kwh"),
            discharged_kwh=reader.get_number("discharged_kwh"),
            cost=TotalCost.parse(reader.get_object("cost")),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargingSession:
    """Charging within one plug-in. Energy in kWh, levels in percent, position in degrees.

    `ended_at` is None while it is open. `kind` is charge or discharge. `raw` is the object as received.
    """

    id: str
    vehicle_id: str | None
    kind: str | None
    started_at: datetime | None
    ended_at: datetime | None
    energy_kwh: float | None
    level_start: float | None
    level_end: float | None
    at_home: bool | None
    latitude: float | None
    longitude: float | None
    cost: float | None
    currency: str | None
    raw: JsonObject = field(compare=False, repr=False)

    @classmethod
    def parse(cls, reader: JsonReader) -> Self | None:
        """Parse the object. None without an id."""
        id_, cost = reader.get_str("id"), reader.get_object("cost")
        if id_ is None:
            return None
        return cls(
            id=id_,
            vehicle_id=reader.get_str("vehicle_id"),
            kind=reader.get_str("kind"),
            started_at=reader.get_datetime("started_at"),
            ended_at=reader.get_datetime("ended_at"),
            energy_kwh=reader.get_number("energy_kwh"),
            level_start=reader.get_number("soc_start"),
            level_end=reader.get_number("soc_end"),
            at_home=reader.get_bool("at_home"),
            latitude=reader.get_number("latitude"),
            longitude=reader.get_number("longitude"),
            cost=cost.get_number("amount"),
            currency=cost.get_str("currency"),
            raw=reader.values,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyHour:
    """What a vehicle charged in an hour of UTC, and what it cost."""

    start: datetime
    energy_kwh: float
    cost: float | None
    currency: str | None

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the object. Raises MalformedError."""
        return cls(
            start=reader.require_datetime("hour"),
            energy_kwh=reader.require_number("energy_kwh"),
            cost=reader.get_number("cost"),
            currency=reader.get_str("currency"),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyHourPage:
    """Hours in order, and the sums of all hours before them; the costs by currency.

    `complete`: they start with the vehicle's first hour. `cursor`: gets what changes after this response.
    """

    hours: tuple[EnergyHour, ...]
    energy_kwh_before: float
    costs_before: Mapping[str, float]
    complete: bool
    next_from: str | None
    cursor: str

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the response. Raises MalformedError."""
        before = reader.require_object("before")
        costs = before.get_object("costs")
        amounts = {currency: costs.get_number(currency) for currency in costs.values}
        return cls(
            hours=tuple(map(EnergyHour.parse, reader.require_object_list("hours"))),
            energy_kwh_before=before.require_number("energy_kwh"),
            costs_before={currency: amount for currency, amount in amounts.items() if amount is not None},
            complete=reader.get_bool("complete") is True,
            next_from=reader.get_str("next_from"),
            cursor=reader.require_str("cursor"),
        )
