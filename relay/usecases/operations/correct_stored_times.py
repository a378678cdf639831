"""Correct stored times that lie in the future, because the clock was ahead when they were stored.

Queues and throttles already treat such a time as due (relay/kit/stored_times.py). This corrects the rows, so that
nothing else that compares with them (order, retention, alerts, expiry) waits until the clock has caught up. It also
corrects what an event with a `createdAt` in the future left in a database of an earlier release.
"""

import logging
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import LiteralString

from relay.delivery.delivery_queue import LEASE_DURATION, MAX_TRY_AHEAD
from relay.delivery.stream_lease import LEASE_DURATION as STREAM_LEASE_DURATION
from relay.identity import oauth, sign_in_attempts, sign_in_links, web_sessions
from relay.inbox.queue import MAX_TRY_AHEAD as MAX_EVENT_TRY_AHEAD
from relay.kit.clock_skew import MAX_CLOCK_SKEW
from relay.kit.database import Connection
from relay.kit.stored_times import format_interval
from relay.usecases.account.delete_account import MAX_TRY_AHEAD as MAX_DELETION_TRY_AHEAD
from relay.usecases.linking.create_link_page import PAGE_LIFETIME
from relay.vehicles.charging.counters import LAG
from relay.vehicles.corrections import MAX_REVIEW_AHEAD

log = logging.getLogger(__name__)

# Above CLOCK_TOLERANCE, and the skew of Enode's clock, which some of these columns have their times from.
TOLERANCE: LiteralString = format_interval(MAX_CLOCK_SKEW)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredTime:
    """A column of times. Further ahead than `max_ahead` (an SQL interval) it was set by a wrong clock."""

    table: LiteralString
    column: LiteralString
    max_ahead: LiteralString = "interval '0'"
    # An expiry keeps its full length from now; everything else becomes the current time, and with that due.
    is_expiry: bool = False

    @property
    def is_wrong(self) -> LiteralString:
        """The SQL condition for a time that is too far ahead."""
        return f"e.{self.column} > now() + {self.max_ahead} + {TOLERANCE}"

    @property
    def corrected_value(self) -> LiteralString:
        """The SQL expression for the corrected time."""
        return f"now() + {self.max_ahead}" if self.is_expiry else "now()"


def _list_recorded(table: LiteralString, *columns: LiteralString) -> list[StoredTime]:
    """Columns that are set to the current time, or to a time that Enode reports."""
    return [StoredTime(table=table, column=column) for column in columns]


def _make_expiry(table: LiteralString, column: LiteralString, max_ahead: LiteralString) -> StoredTime:
    return StoredTime(table=table, column=column, max_ahead=max_ahead, is_expiry=True)


STORED_TIMES: tuple[StoredTime, ...] = (
    *_list_recorded("api_keys", "created_at", "last_used_at", "revoked_at"),
    *_list_recorded("charging_sessions", "changed_at", "amended_at", "created_at"),
    *_list_recorded("commands", "requested_at", "settled_at"),
    StoredTime(table="deleted_users", column="next_try_at", max_ahead=MAX_DELETION_TRY_AHEAD),
    *_list_recorded("deleted_users", "requested_at", "deleted_at"),
    StoredTime(table="endpoints", column="leased_until", max_ahead=format_interval(LEASE_DURATION)),
    StoredTime(table="endpoints", column="next_try_at", max_ahead=MAX_TRY_AHEAD),
    StoredTime(table="endpoints", column="streaming_until", max_ahead=format_interval(STREAM_LEASE_DURATION)),
    *_list_recorded("endpoints", "created_at", "failing_since", "last_success_at", "off_at", "tested_at"),
    *_list_recorded("enode_health", "asked_at", "failing_since", "since", "alerted_at", "reconciled_at", "created_at"),
    *_list_recorded("interventions", "fetched_at"),
    *_list_recorded("invitations", "created_at", "revoked_at"),
    _make_expiry("link_pages", "expires_at", format_interval(PAGE_LIFETIME)),
    *_list_recorded("link_pages", "opened_at", "returned_at", "refreshed_at", "created_at"),
    _make_expiry("oauth_codes", "expires_at", format_interval(oauth.CODE_LIFETIME)),
    *_list_recorded("oauth_codes", "used_at", "created_at"),
    *_list_recorded("oauth_grants", "last_used_at", "revoked_at", "created_at"),
    _make_expiry("oauth_tokens", "access_expires_at", format_interval(oauth.ACCESS_TOKEN_LIFETIME)),
    *_list_recorded("oauth_tokens", "used_at", "created_at"),
    *_list_recorded("poll_logs", "refunded_at", "created_at"),
    _make_expiry("sign_in_attempts", "expires_at", format_interval(sign_in_attempts.LIFETIME)),
    *_list_recorded("sign_in_attempts", "accepted_terms_at", "mail_requested_at", "created_at"),
    _make_expiry("sign_in_links", "expires_at", format_interval(sign_in_links.LIFETIME)),
    *_list_recorded("sign_in_links", "created_at"),
    *_list_recorded("sign_in_networks", "signed_in_at"),
    *_list_recorded("session_corrections", "created_at"),
    *_list_recorded("supabase_status", "mail_quota_exhausted_at", "token_problem_at"),
    *_list_recorded("transitions", "occurred_at", "created_at"),
    *_list_recorded(
        "users",
        "closed_at",
        "created_at",
        "disabled_at",
        "refreshed_at",
        "approved_at",
        "accepted_terms_at",
        "claimed_at",
    ),
    StoredTime(table="vehicle_energy", column="settle_at", max_ahead=format_interval(LAG)),
    *_list_recorded("vehicle_links", "linked_at", "seen_at", "ended_at"),
    *_list_recorded(
        "vehicles", "link_since", "gone_at", "created_at", "updated_at", "refreshed_at", "chosen_at", "broken_at"
    ),
    StoredTime(table="vehicles", column="review_at", max_ahead=format_interval(MAX_REVIEW_AHEAD)),
    _make_expiry("web_sessions", "expires_at", format_interval(web_sessions.LIFETIME)),
    *_list_recorded("web_sessions", "seen_at", "created_at"),
    StoredTime(table="webhook_logs", column="next_try_at", max_ahead=MAX_EVENT_TRY_AHEAD),
    *_list_recorded("webhook_logs", "event_at", "settled_at", "created_at", "replayed_at"),
    *_list_recorded("webhook_subscriptions", "last_success", "created_at", "updated_at"),
)
"""Every column whose time is compared with the clock or with other times. A test compares the list with the schema."""

UNCORRECTED_COLUMNS: dict[str, str] = {
    "call_token_ledger.created_at": "a record for people; nothing compares it",
    "charging_costs.last_hour": "only compared with that of another currency",
    "charging_costs.since": "a record for people; nothing compares it",
    "charging_hours.hour": "derived from the samples, and derived again with the next report",
    "charging_samples.at": "part of the key; samples from the future are deleted, see DELETED_FROM_FUTURE",
    "charging_sessions.started_at": "derived from the samples, and derived again with the next report",
    "charging_sessions.ended_at": "derived from the samples, and derived again with the next report",
    "electricity_rates.valid_from": "chosen by users, and may be in the future",
    "home_places.updated_at": "a record for people; nothing compares it",
    "invitations.expires_at": "chosen by the operator",
    "poll_logs.period": "the start of a month",
    "settings.updated_at": "a record for people; nothing compares it",
    "session_corrections.ended_at": "chosen by users",
    "session_corrections.started_at": "chosen by users",
    "signature_failures.minute": "the key; minutes from the future are deleted, see DELETED_FROM_FUTURE",
    "usage_days.period": "the start of a month",
    "usage_months.period": "the start of a month",
    "vehicles.held_since": "derived from the samples, and derived again with the next report",
    "vehicles.refresh_asked_for": "a copy of held_since",
    "users.quota_anchor": "only its day and time of day count",
}
"""Columns of times that are not in STORED_TIMES, each with the reason."""

DELETED_FROM_FUTURE: dict[LiteralString, LiteralString] = {"charging_samples": "at", "signature_failures": "minute"}
"""Tables whose rows are deleted if the time in this column lies in the future."""


def build_correction(table: LiteralString, times: list[StoredTime]) -> LiteralString:
    """Build the statement that corrects all wrong times of a table."""
    assignments = ", ".join(
        f"{time.column} = case when {time.is_wrong} then {time.corrected_value} else e.{time.column} end"
        for time in times
    )
    return f"update {table} e set {assignments} where {' or '.join(time.is_wrong for time in times)}"  # noqa: S608 - our own literals


CORRECTIONS: dict[LiteralString, LiteralString] = {
    **{table: build_correction(table, list(times)) for table, times in groupby(STORED_TIMES, key=attrgetter("table"))},
    **{
        table: f"delete from {table} where {column} > now() + {TOLERANCE}"  # noqa: S608 - our own literals
        for table, column in DELETED_FROM_FUTURE.items()
    },
}


async def correct_stored_times(connection: Connection) -> int:
    """Correct all times that are further ahead than possible; returns the number of rows. Raises psycopg.Error."""
    counts = {table: (await connection.execute(statement)).rowcount for table, statement in CORRECTIONS.items()}
    found = {table: count for table, count in counts.items() if count}
    if found:
        log.warning(
            "stored times in the future corrected rows=%s", ",".join(f"{table}:{n}" for table, n in found.items())
        )
    return sum(found.values())
