"""Repair issues: what the user must do for a vehicle to work. An issue disappears when that is done."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .client import LinkState, VehicleRecord
from .const import DOMAIN
from .device_registry import get_vehicle_name

RELINK_FEATURE: Final = "relink"
"""The relay's feature to link a vehicle again from Home Assistant."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RepairIssue:
    """One issue. `key` is its translation key. `data` is passed to the fix flow; an issue without it has none."""

    id: str
    key: str
    placeholders: dict[str, str]
    severity: ir.IssueSeverity
    data: dict[str, str | int | float | None] | None = field(default=None)


class RepairIssues:
    """The issues of one config entry."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        self._hass = hass
        self._entry_id = entry_id
        self._current: dict[str, RepairIssue] = {}

    @callback
    def async_update(self, records: Iterable[VehicleRecord], features: frozenset[str]) -> None:
        """Create the issues of these vehicles and delete all others."""
        issues = {
            issue.id: issue
            for record in records
            for issue in self._create_issues(record, can_relink=RELINK_FEATURE in features)
        }
        for id_ in self._current.keys() - issues.keys():
            ir.async_delete_issue(self._hass, DOMAIN, id_)
        for id_, issue in issues.items():
            if self._current.get(id_) != issue:
                ir.async_create_issue(
                    self._hass,
                    DOMAIN,
                    id_,
                    data=issue.data,
                    is_fixable=issue.data is not None,
                    severity=issue.severity,
                    translation_key=issue.key,
                    translation_placeholders=issue.placeholders,
                )
        self._current = issues

    def _create_issues(self, record: VehicleRecord, *, can_relink: bool) -> Iterator[RepairIssue]:
        name = get_vehicle_name(record)
        if record.link_state is LinkState.BROKEN:
            yield RepairIssue(
                id=f"link_broken_{record.id}",
                key="link_broken" if can_relink else "link_broken_elsewhere",
                placeholders={"name": name},
                severity=ir.IssueSeverity.ERROR,
                data={"entry_id": self._entry_id, "vehicle_id": record.id} if can_relink else None,
            )
        for intervention in record.interventions:
            if intervention.is_for_user and (intervention.title or intervention.description):
                title, description = intervention.title or "", intervention.description or ""
                yield RepairIssue(
                    id=f"intervention_{record.id}_{intervention.id}",
                    key="intervention",
                    placeholders={"name": name, "title": title or description, "description": description or title},
                    severity=ir.IssueSeverity.WARNING,
                )

    @callback
    def async_clear(self) -> None:
        """Delete all issues."""
        self.async_update((), frozenset())
