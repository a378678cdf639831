"""Charging sessions as rows of plain values, which a template can write to a CSV file as they are."""

from datetime import datetime
from typing import Final

from homeassistant.util import dt as dt_util

from .client import ChargingSession, JsonReader, iter_sessions
from .device_registry import get_vehicle_name
from .vehicle_coordinator import VehicleCoordinator

type Row = dict[str, str | float | bool | None]

MAX_SESSIONS: Final = 5000
"""How many sessions of a vehicle are read at most: more than ten years of charging daily."""


async def async_list_sessions(vehicle: VehicleCoordinator, start: datetime, end: datetime) -> list[ChargingSession]:
    """List a vehicle's sessions that overlap the range, newest first. Raises a translated HomeAssistantError."""
    return await vehicle.async_request(_list_sessions(vehicle, start, end))


async def async_list_session_rows(vehicle: VehicleCoordinator, start: datetime, end: datetime) -> list[Row]:
    """List a vehicle's sessions that overlap the range as rows. Raises a translated HomeAssistantError."""
    name = get_vehicle_name(vehicle.data)
    return [_create_row(name, session) for session in await async_list_sessions(vehicle, start, end)]


async def _list_sessions(vehicle: VehicleCoordinator, start: datetime, end: datetime) -> list[ChargingSession]:
    sessions: list[ChargingSession] = []
    count = 0
    async for session in iter_sessions(vehicle.client, vehicle.data.id):
        count += 1
        started_at = session.started_at
        if started_at is not None and started_at < end and (session.ended_at is None or session.ended_at > start):
            sessions.append(session)
        # Sessions don't overlap each other, so all that follow ended before the range.
        is_before = session.ended_at is not None and session.ended_at <= start
        if is_before or count >= MAX_SESSIONS:
            break
    return sessions


def _create_row(name: str, session: ChargingSession) -> Row:
    reader = JsonReader(session.raw)
    return {
        "vehicle": name,
        "vehicle_id": session.vehicle_id,
        "session_id": session.id,
        "kind": session.kind,
        "started_at": _format_local(session.started_at),
        "ended_at": _format_local(session.ended_at),
        "energy_kwh": session.energy_kwh,
        "energy_source": reader.get_str("energy_source"),
        "estimated": reader.get_bool("estimated"),
        "level_start": session.level_start,
        "level_end": session.level_end,
        "peak_kw": reader.get_number("peak_kw"),
        "at_home": session.at_home,
        "latitude": reader.get_number("latitude"),
        "longitude": reader.get_number("longitude"),
        "odometer_km": reader.get_number("odometer_km"),
        "cost": session.cost,
        "currency": session.currency,
        "cost_per_kwh": reader.get_object("cost").get_number("per_kwh"),
        "cost_unknown": reader.get_str("cost_unknown"),
        "corrected": reader.get_bool("corrected_by_owner"),
    }


def _format_local(time: datetime | None) -> str | None:
    return None if time is None else dt_util.as_local(time).isoformat(timespec="seconds")
