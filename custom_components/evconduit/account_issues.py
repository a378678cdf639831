"""Repair issues of the account: cars over the plan's limit, the allowance used up, the webhook out of reach."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util

from .client import Account, JsonReader, LinkState, RelayClock, VehicleRecord
from .device_registry import get_vehicle_name
from .repair_issues import RepairIssue, RepairIssues

MAX_LISTED_NAMES: Final = 10
"""Number of cars that an issue names, so that it stays readable."""


class AccountIssues:
    """Keeps the issues of one account up to date."""

    def __init__(self, hass: HomeAssistant, entry_id: str, issues: RepairIssues, clock: RelayClock) -> None:
        self._hass = hass
        self._entry_id = entry_id
        self._issues = issues
        self._clock = clock
        self._cancel_reset: CALLBACK_TYPE | None = None

    @callback
    def async_update_vehicles(self, records: Iterable[VehicleRecord]) -> None:
        """Update the issue that the plan has no room for some cars."""
        names = sorted(get_vehicle_name(record) for record in records if record.link_state is LinkState.OVER_LIMIT)
        id_ = f"over_limit_{self._entry_id}"
        self._issues.async_set_account_issue(id_, _create_over_limit_issue(id_, names) if names else None)

    @callback
    def async_update_allowance(self, account: Account) -> None:
        """Update the issue that this month's calls are used up. It disappears when they return."""
        self.async_cancel_timers()
        id_ = f"allowance_{self._entry_id}"
        resets_at = get_used_up_until(account)
        left = (resets_at - self._clock.now()).total_seconds() if resets_at is not None else 0.0
        if resets_at is None or left <= 0:
            self._issues.async_set_account_issue(id_, None)
            return
        self._issues.async_set_account_issue(id_, _create_allowance_issue(id_, resets_at))
        self._cancel_reset = async_call_later(self._hass, left, self._create_reset(id_))

    @callback
    def async_update_webhook(self, failure: str | None) -> None:
        """Update the issue that the relay can't reach the webhook. `failure` says how, None if it can."""
        id_ = f"webhook_{self._entry_id}"
        issue = None if failure is None else _create_issue(id_, "webhook_unreachable", failure=failure)
        self._issues.async_set_account_issue(id_, issue)

    @callback
    def async_cancel_timers(self) -> None:
        """Stop waiting for the calls to return."""
        if self._cancel_reset is not None:
            self._cancel_reset()
            self._cancel_reset = None

    def _create_reset(self, id_: str) -> Callable[[datetime], None]:
        @callback
        def reset(_now: datetime) -> None:
            self._cancel_reset = None
            self._issues.async_set_account_issue(id_, None)

        return reset


def get_used_up_until(account: Account) -> datetime | None:
    """Return when the account has calls again, None if it has some now, or if that isn't known."""
    allowance = JsonReader(account.raw).get_object("allowance")
    limit, used = allowance.get_number("limit"), allowance.get_number("used")
    if limit is None or used is None or used < limit or (allowance.get_number("call_tokens") or 0) > 0:
        return None
    return allowance.get_datetime("resets_at")


def _create_over_limit_issue(id_: str, names: list[str]) -> RepairIssue:
    listed = ", ".join(names[:MAX_LISTED_NAMES]) + (", …" if len(names) > MAX_LISTED_NAMES else "")
    return _create_issue(id_, "over_limit", names=listed)


def _create_allowance_issue(id_: str, resets_at: datetime) -> RepairIssue:
    return _create_issue(id_, "allowance_used_up", date=dt_util.as_local(resets_at).date().isoformat())


def _create_issue(id_: str, key: str, **placeholders: str) -> RepairIssue:
    return RepairIssue(id=id_, key=key, placeholders=placeholders, severity=ir.IssueSeverity.WARNING)
