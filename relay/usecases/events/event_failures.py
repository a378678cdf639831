"""What happens to an event that fails: it is retried, or set aside, unless the database caused the error."""

import logging
from datetime import timedelta

import psycopg
from psycopg import errors

from relay.inbox.models import EventOutcome, StoredEvent
from relay.inbox.queue import RETRY_DELAYS
from relay.kit.logs import get_error_location
from relay.usecases.events.event_context import MalformedEventError

log = logging.getLogger(__name__)

TRANSIENT_SQLSTATES = frozenset({"08", "40", "53", "55", "57"})
"""SQLSTATE classes of errors that the event did not cause.

Connection, rollback (deadlock), resources, lock not available, operator intervention. `is_transient` excludes a
statement time-out, which is in class 57 too but is caused by the event.
"""


def is_transient(error: Exception) -> bool:
    """Whether the database and not the event caused the error: then the attempt does not count."""
    if isinstance(error, psycopg.InterfaceError):
        return True
    if not isinstance(error, psycopg.OperationalError) or isinstance(error, errors.QueryCanceled):
        return False
    return error.sqlstate is None or error.sqlstate[:2] in TRANSIENT_SQLSTATES


def create_failure_outcome(event: StoredEvent, error: Exception) -> EventOutcome:
    """Schedule a retry of a failed event, or set it aside.

    Only the error's class is stored and logged, because its text may quote the event.
    """
    attempts, reason = event.attempts + 1, type(error).__name__
    is_final = attempts > len(RETRY_DELAYS) or isinstance(error, MalformedEventError)
    log.warning(
        "event failed event=%d user=%s error=%s at=%s attempt=%d state=%s",
        event.id,
        event.user_id,
        reason,
        get_error_location(error),
        attempts,
        "set_aside" if is_final else "pending",
    )
    return EventOutcome(
        event_id=event.id,
        state="set_aside" if is_final else "pending",
        attempts=attempts,
        reason=reason,
        retry_in=timedelta() if is_final else RETRY_DELAYS[attempts - 1],
    )
