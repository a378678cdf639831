"""What a user has to do for a car to work, among Home Assistant's repairs; it goes by itself when it is done."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .client import LinkState, VehicleRecord
from .const import DOMAIN
from .device_registry import vehicle_name

RELINK: Final = "relink"
"""The relay's feature by which a link can be renewed from here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Issue:
    """One thing to do. `key`: of its translation. `data` is what a fix needs; without it there is none."""

    id: str
    key: str
    placeholders: dict[str, str]
    severity: ir.IssueSeverity
    data: dict[str, str | int | float | None] | None = field(default=None)


class RepairIssues:
    """The issues of one entry."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        self._hass = hass
        self._entry_id = entry_id
        self._shown: dict[str, Issue] = {}

    @callback
    def async_update(self, records: Iterable[VehicleRecord], features: frozenset[str]) -> None:
        """Show what these cars need, and nothing else."""
        wanted = {it.id: it for record in records for it in self._of(record, can_relink=RELINK in features)}
        for id_ in self._shown.keys() - wanted.keys():
            ir.async_delete_issue(self._hass, DOMAIN, id_)
        for id_, issue in wanted.items():
            if self._shown.get(id_) != issue:
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
        self._shown = wanted

    def _of(self, record: VehicleRecord, *, can_relink: bool) -> Iterator[Issue]:
        name = vehicle_name(record)
        if record.link_state is LinkState.BROKEN:
            yield Issue(
                id=f"link_broken_{record.id}",
                key="link_broken" if can_relink else "link_broken_elsewhere",
                placeholders={"name": name},
                severity=ir.IssueSeverity.ERROR,
                data={"entry_id": self._entry_id, "vehicle_id": record.id} if can_relink else None,
            )
        for intervention in record.interventions:
            if intervention.is_users and (intervention.title or intervention.description):
                title, description = intervention.title or "", intervention.description or ""
                yield Issue(
                    id=f"intervention_{record.id}_{intervention.id}",
                    key="intervention",
                    placeholders={"name": name, "title": title or description, "description": description or title},
                    severity=ir.IssueSeverity.WARNING,
                )

    @callback
    def async_clear(self) -> None:
        """Show nothing more."""
        self.async_update((), frozenset())
