"""Smart charging: Enode starts and stops charging, so that the vehicle is ready in time at the lowest cost."""

from dataclasses import dataclass
from datetime import datetime, time
from typing import Final, Self

from .json_reader import JsonReader

MIDNIGHT: Final = "24:00"
"""Enode also accepts this as the end of a day."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SmartChargingSettings:
    """The settings. `ready_by` is a local time; `minimum_level` in %, up to which the vehicle charges at once."""

    is_enabled: bool | None
    ready_by: time | None
    minimum_level: float | None

    @classmethod
    def parse_policy(cls, reader: JsonReader) -> Self:
        """Parse Enode's policy in the vehicle object. Never fails."""
        return cls(
            is_enabled=reader.get_bool("isEnabled"),
            ready_by=_parse_time(reader.get_str("deadline")),
            minimum_level=reader.get_number("minimumChargeLimit"),
        )

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the relay's response to a change. Never fails."""
        return cls(
            is_enabled=reader.get_bool("enabled"),
            ready_by=_parse_time(reader.get_str("ready_by")),
            minimum_level=reader.get_number("minimum_level"),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SmartChargingStatus:
    """What smart charging does. `starts_at` and `finishes_at` are those of the current plan, None without one.

    `is_overridden`: the vehicle charges now regardless of the plan.
    """

    state: str | None
    starts_at: datetime | None
    finishes_at: datetime | None
    is_overridden: bool

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the member `smart_charging` of a record. Never fails."""
        plan = reader.get_object("plan")
        is_ended = plan.get_datetime("ended_at") is not None
        return cls(
            state=reader.get_str("state"),
            starts_at=None if is_ended else plan.get_datetime("start_at"),
            finishes_at=None if is_ended else plan.get_datetime("estimated_finish_at"),
            is_overridden=reader.get_bool("overridden") is True,
        )


def _parse_time(text: str | None) -> time | None:
    try:
        return time.fromisoformat("00:00" if text == MIDNIGHT else text or "")
    except ValueError:
        return None
