"""What a vehicle has charged: counters and charging sessions. Unknown values are None."""

from dataclasses import dataclass
from typing import Self

from .json_reader import JsonReader


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyCounters:
    """Energy in kWh since the relay first saw the vehicle. None of the values ever decreases."""

    lifetime_kwh: float | None
    home_kwh: float | None
    discharged_kwh: float | None

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the member `energy`."""
        return cls(
            lifetime_kwh=reader.get_number("lifetime_kwh"),
            home_kwh=reader.get_number("home_kwh"),
            discharged_kwh=reader.get_number("discharged_kwh"),
        )
