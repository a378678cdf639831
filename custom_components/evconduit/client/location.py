"""The account's home location, where energy counts as charged at home."""

from dataclasses import dataclass
from math import isclose
from typing import Final, Self

from .json_reader import JsonObject, JsonReader, MalformedError

TOLERANCE_DEGREES: Final = 1e-6
"""About 10 cm: more than the rounding on the way to the relay and back."""
MIN_RADIUS: Final = 50
MAX_RADIUS: Final = 10_000
"""In metres. The relay refuses others (`PUT /api/ha/v2/home`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HomeLocation:
    """A circle, in degrees and metres."""

    latitude: float
    longitude: float
    radius: int

    @classmethod
    def create(cls, latitude: float, longitude: float, radius: float) -> Self:
        """Create a location that the relay accepts."""
        return cls(latitude=latitude, longitude=longitude, radius=round(min(max(radius, MIN_RADIUS), MAX_RADIUS)))

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the relay's object. Raises MalformedError."""
        latitude, longitude = reader.get_number("latitude"), reader.get_number("longitude")
        radius = reader.get_number("radius_m")
        if latitude is None or longitude is None or radius is None:
            raise MalformedError("home")
        return cls(latitude=latitude, longitude=longitude, radius=round(radius))

    def as_json(self) -> JsonObject:
        """Return the relay's object."""
        return {"latitude": self.latitude, "longitude": self.longitude, "radius_m": self.radius}

    def is_same(self, other: Self) -> bool:
        """Return whether the locations are the same, apart from rounding."""
        return (
            isclose(self.latitude, other.latitude, rel_tol=0, abs_tol=TOLERANCE_DEGREES)
            and isclose(self.longitude, other.longitude, rel_tol=0, abs_tol=TOLERANCE_DEGREES)
            and self.radius == other.radius
        )
