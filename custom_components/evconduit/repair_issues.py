"""Repair issues: problems that only the user can resolve. An issue disappears when its problem is resolved."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.util.hass_dict import HassKey

from .client import Intervention, LinkState, VehicleRecord
from .clock_issue import format_duration, is_resolved, is_significant
from .const import DOMAIN
from .device_registry import get_vehicle_name

RELINK_FEATURE: Final = "relink"
"""The relay's feature to link a vehicle again from Home Assistant."""

ACCOUNT_ISSUE_KINDS: Final = ("allowance", "clock", "over_limit", "webhook")
"""The kinds of issues of an account. An issue's id is its kind and the entry's id."""

LEFT_ISSUE_IDS: Final = HassKey[dict[str, set[str]]](f"{DOMAIN}_left_issues")
"""By config entry, the ids of the ignored issues that it left when it was unloaded."""


type IssueData = dict[str, str | int | float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class RepairIssue:
    """One issue. `key` is its translation key. `data` is passed to the fix flow; an issue without it has none."""

    id: str
    key: str
    placeholders: dict[str, str]
    severity: ir.IssueSeverity
    data: IssueData | None = field(default=None)


class RepairIssues:
    """The issues of one config entry.

    Home Assistant remembers that the user ignores an issue only as long as the issue exists. Therefore an ignored one
    is left in the registry while the entry is unloaded, and is deleted when it is resolved or the entry is removed.
    """

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        self._hass = hass
        self._entry_id = entry_id
        self._registry = ir.async_get(hass)
        self._current: dict[str, RepairIssue] = {}
        self._account_issues: dict[str, RepairIssue] = {}
        """The issues of the account, of which there is at most one of each kind, by id."""
        self._is_complete = False
        self._left_ids = hass.data.setdefault(LEFT_ISSUE_IDS, {}).pop(entry_id, set())

    @callback
    def async_update(
        self, records: Iterable[VehicleRecord], features: frozenset[str], *, is_current: bool = True
    ) -> None:
        """Create the issues of these vehicles. Delete all others, unless the records are only from storage."""
        records = list(records)
        issues = {
            issue.id: issue
            for record in records
            for issue in self._create_issues(record, can_relink=RELINK_FEATURE in features)
        }
        if is_current:
            for id_ in self._find_resolved_ids(records, issues):
                ir.async_delete_issue(self._hass, DOMAIN, id_)
        for id_, issue in issues.items():
            if self._current.get(id_) != issue:
                _async_create_issue(self._hass, issue)
        self._current = issues if is_current else self._current | issues

    @callback
    def async_update_clock(self, difference: timedelta | None) -> bool:
        """Create the issue that the clocks differ, or delete it when they agree. Return whether there is one."""
        id_ = f"clock_{self._entry_id}"
        if difference is not None and is_significant(difference):
            self.async_set_account_issue(id_, _create_clock_issue(id_, difference))
        elif is_resolved(difference):
            self.async_set_account_issue(id_, None)
        else:
            self._left_ids.discard(id_)
        return id_ in self._account_issues

    @callback
    def async_set_account_issue(self, id_: str, issue: RepairIssue | None) -> None:
        """Create or change an issue of the account, or delete it if `issue` is None. The id ends with the entry's."""
        self._left_ids.discard(id_)
        if issue is None:
            ir.async_delete_issue(self._hass, DOMAIN, id_)
            self._account_issues.pop(id_, None)
        elif issue != self._account_issues.get(id_):
            _async_create_issue(self._hass, issue)
            self._account_issues[id_] = issue

    @callback
    def async_clear(self) -> None:
        """Delete all issues, except those that the user ignores."""
        ids = {*self._current, *self._left_ids, *self._account_issues}
        left_ids = {id_ for id_ in ids if self._is_ignored(id_)}
        for id_ in ids - left_ids:
            ir.async_delete_issue(self._hass, DOMAIN, id_)
        self._current, self._account_issues, self._left_ids = {}, {}, set()
        self._hass.data[LEFT_ISSUE_IDS][self._entry_id] = left_ids

    def _find_resolved_ids(self, records: list[VehicleRecord], issues: Collection[str]) -> set[str]:
        """Return the ids of issues to delete. At first, also of those that were ignored before a restart."""
        ids = {*self._current, *(id_ for id_ in self._left_ids if not id_.endswith(self._entry_id))}
        self._left_ids -= ids
        if not self._is_complete:
            self._is_complete = True
            link_ids = {f"link_broken_{record.id}" for record in records}
            prefixes = tuple(f"intervention_{record.id}_" for record in records)
            own_ids = (id_ for domain, id_ in self._registry.issues if domain == DOMAIN)
            ids |= {id_ for id_ in own_ids if id_ in link_ids or id_.startswith(prefixes)}
        return ids - set(issues)

    def _is_ignored(self, id_: str) -> bool:
        issue = self._registry.async_get_issue(DOMAIN, id_)
        return issue is not None and issue.dismissed_version is not None

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
            if not intervention.is_for_user or not (intervention.title or intervention.description):
                continue
            if intervention.needs_link and record.link_state is LinkState.BROKEN:
                continue  # the issue above does it
            can_fix = can_relink and intervention.needs_link
            ids: IssueData = {
                "entry_id": self._entry_id,
                "vehicle_id": record.id,
                "intervention_id": intervention.id,
            }
            yield RepairIssue(
                id=f"intervention_{record.id}_{intervention.id}",
                key="intervention_link" if can_fix else "intervention",
                placeholders={"name": name, **get_intervention_texts(intervention)},
                severity=ir.IssueSeverity.WARNING,
                data=ids if can_fix else None,
            )


def get_intervention_texts(intervention: Intervention) -> dict[str, str]:
    """Return the placeholders for an intervention, which has a title, a description, or both."""
    title, description = intervention.title or "", intervention.description or ""
    return {"title": title or description, "description": description or title}


@callback
def async_delete_left_issues(hass: HomeAssistant, entry_id: str) -> None:
    """Delete the issues that an unloaded entry left because the user ignores them."""
    left_ids = hass.data.get(LEFT_ISSUE_IDS, {}).pop(entry_id, set())
    for id_ in {*left_ids, *(f"{kind}_{entry_id}" for kind in ACCOUNT_ISSUE_KINDS)}:
        ir.async_delete_issue(hass, DOMAIN, id_)


def _create_clock_issue(id_: str, difference: timedelta) -> RepairIssue:
    placeholders = {"difference": format_duration(difference)}
    severity = ir.IssueSeverity.WARNING
    if difference > timedelta(0):
        return RepairIssue(id=id_, key="clock_ahead", placeholders=placeholders, severity=severity)
    return RepairIssue(id=id_, key="clock_behind", placeholders=placeholders, severity=severity)


@callback
def _async_create_issue(hass: HomeAssistant, issue: RepairIssue) -> None:
    ir.async_create_issue(
        hass,
        DOMAIN,
        issue.id,
        data=issue.data,
        is_fixable=issue.data is not None,
        severity=issue.severity,
        translation_key=issue.key,
        translation_placeholders=issue.placeholders,
    )
