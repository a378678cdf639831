from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, override

from homeassistant.components.calendar import CalendarEntity, CalendarEntityDescription, CalendarEvent
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import dt as dt_util

from .client import ChargingSession
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .runtime import EVConduitConfigEntry
from .session_rows import async_list_sessions

PARALLEL_UPDATES = 0  # the coordinator updates the entities

OPEN_SESSION_LENGTH: Final = timedelta(minutes=15)
"""How far an open session reaches into the future if the vehicle doesn't say when it will be charged."""


@dataclass(frozen=True, kw_only=True)
class VehicleCalendarDescription(VehicleEntityDescription, CalendarEntityDescription):
    """Describes a calendar."""


CALENDARS: tuple[VehicleCalendarDescription, ...] = (
    VehicleCalendarDescription(
        key="charging_sessions",
        feature="sessions",
        supported_fn=lambda capabilities: capabilities.charge_state.is_supported,
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Set up the calendars of all vehicles."""
    async_add_vehicle_entities(entry, async_add_entities, Platform.CALENDAR, CALENDARS, SessionCalendar)


class SessionCalendar(VehicleEntity, CalendarEntity):
    """The charging sessions, and when smart charging is going to charge. It is on while the vehicle charges.

    The relay has the sessions: they are requested when a calendar shows them. The record has the current one.
    """

    entity_description: VehicleCalendarDescription

    @property
    @override
    def event(self) -> CalendarEvent | None:
        session = self.coordinator.data.current_session
        if session is not None and self.vehicle.charge_state.is_charging is not False:
            return self._create_session_event(session)
        slot = self._create_slot_event()
        return slot if slot is not None and slot.end_datetime_local > dt_util.now() else None

    @override
    async def async_get_events(
        self, hass: HomeAssistant, start_date: datetime, end_date: datetime
    ) -> list[CalendarEvent]:
        sessions = await async_list_sessions(self.coordinator, dt_util.as_utc(start_date), dt_util.as_utc(end_date))
        events = [event for session in reversed(sessions) if (event := self._create_session_event(session)) is not None]
        slot = self._create_slot_event()
        if slot is not None and slot.start_datetime_local < end_date and slot.end_datetime_local > start_date:
            events.append(slot)
        return events

    def _create_session_event(self, session: ChargingSession) -> CalendarEvent | None:
        if session.started_at is None:
            return None
        end = session.ended_at or self._estimate_end()
        return CalendarEvent(
            start=dt_util.as_local(session.started_at),
            end=dt_util.as_local(max(end, session.started_at + timedelta(seconds=1))),
            summary=_summarize(session),
            description=_describe(session),
            uid=session.id,
        )

    def _estimate_end(self) -> datetime:
        remaining = self.vehicle.charge_state.charge_time_remaining
        return dt_util.utcnow() + (timedelta(minutes=remaining) if remaining else OPEN_SESSION_LENGTH)

    def _create_slot_event(self) -> CalendarEvent | None:
        """Return when smart charging is going to charge, None without a plan."""
        status = self.coordinator.data.smart_charging
        if status.starts_at is None or status.finishes_at is None or status.finishes_at <= status.starts_at:
            return None
        return CalendarEvent(
            start=dt_util.as_local(status.starts_at),
            end=dt_util.as_local(status.finishes_at),
            summary="Smart charging",
        )


def _summarize(session: ChargingSession) -> str:
    # Home Assistant has no translations for texts of calendar events.
    kind = "Discharging" if session.kind == "discharge" else "Charging"
    return kind if session.energy_kwh is None else f"{kind}: {session.energy_kwh:.1f} kWh"


def _describe(session: ChargingSession) -> str | None:
    parts = []
    if session.level_start is not None and session.level_end is not None:
        parts.append(f"{session.level_start:.0f} % to {session.level_end:.0f} %")
    if session.cost is not None and session.currency is not None:
        parts.append(f"{session.cost:.2f} {session.currency}")
    return ", ".join(parts) or None
