"""How long to wait between polls."""

from datetime import UTC, datetime, timedelta

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import MINUTE
from relay_double import make_account

from custom_components.evconduit.client import (
    Account,
    AccountDisabledError,
    EnodeUnavailableError,
    JsonReader,
    NotFoundError,
    QuotaExhaustedError,
    RelayConnectionError,
    RelayError,
    TryAgainError,
    UnauthorizedError,
)
from custom_components.evconduit.poll_intervals import get_poll_interval, get_retry_interval, get_server_delay

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def make_parsed_account(next_poll_in: timedelta | None, *, push: bool) -> Account:
    next_poll_at = None if next_poll_in is None else (NOW + next_poll_in).isoformat()
    return Account.parse(JsonReader(make_account(push=push, next_poll_at=next_poll_at)))


@pytest.mark.parametrize(
    ("push", "next_poll_in", "scheduled_in", "expected"),
    [
        # The relay doesn't say when: every hour, or every 15 minutes while the stream is down.
        (False, None, None, HOUR),
        (True, None, None, 15 * MINUTE),
        # The relay says when, between one minute and 12 hours from now.
        (False, 20 * MINUTE, None, 20 * MINUTE),
        (True, 20 * MINUTE, None, 20 * MINUTE),
        (False, 61 * SECOND, None, 61 * SECOND),
        (False, 60 * SECOND, None, MINUTE),
        (False, 59 * SECOND, None, MINUTE),
        (False, timedelta(0), None, MINUTE),
        (False, -HOUR, None, MINUTE),
        (False, 12 * HOUR - SECOND, None, 12 * HOUR - SECOND),
        (False, 12 * HOUR, None, 12 * HOUR),
        (False, 12 * HOUR + SECOND, None, 12 * HOUR),
        # A poll that was due before a restart is not postponed by it.
        (False, HOUR, 20 * MINUTE, 20 * MINUTE),
        (False, 20 * MINUTE, HOUR, 20 * MINUTE),
        (False, None, 20 * MINUTE, 20 * MINUTE),
        (True, None, 5 * MINUTE, 5 * MINUTE),
        (True, None, 30 * MINUTE, 15 * MINUTE),
        (False, HOUR, -HOUR, MINUTE),
    ],
)
def test_poll_interval(
    freezer: FrozenDateTimeFactory,
    *,
    push: bool,
    next_poll_in: timedelta | None,
    scheduled_in: timedelta | None,
    expected: timedelta,
):
    freezer.move_to(NOW)
    scheduled_at = None if scheduled_in is None else NOW + scheduled_in
    assert get_poll_interval(make_parsed_account(next_poll_in, push=push), scheduled_at) == expected


@pytest.mark.parametrize(
    ("failures", "interval", "expected"),
    [
        (0, 4 * HOUR, 15 * MINUTE),
        (1, 4 * HOUR, 30 * MINUTE),
        (2, 4 * HOUR, HOUR),
        (3, 4 * HOUR, 2 * HOUR),
        (4, 4 * HOUR, 4 * HOUR),
        (5, 4 * HOUR, 4 * HOUR),
        (5, 12 * HOUR, 8 * HOUR),
        (6, 12 * HOUR, 12 * HOUR),
        (10_000, 12 * HOUR, 12 * HOUR),
        (0, MINUTE, MINUTE),
        (0, 15 * MINUTE, 15 * MINUTE),
    ],
)
def test_failed_poll_is_retried_sooner_with_exponential_backoff(
    failures: int, interval: timedelta, expected: timedelta
):
    assert get_retry_interval(RelayConnectionError("gone"), interval, failures) == expected


@pytest.mark.parametrize(
    "error", [QuotaExhaustedError("used up"), NotFoundError(), RelayError(), UnauthorizedError(), ValueError()]
)
def test_other_errors_keep_the_interval(error: Exception):
    assert get_retry_interval(error, 4 * HOUR, 0) is None


@pytest.mark.parametrize("error", [TryAgainError, AccountDisabledError, EnodeUnavailableError, RelayConnectionError])
def test_every_temporary_error_is_retried_sooner(error: type[TryAgainError]):
    assert get_retry_interval(error("later"), 4 * HOUR, 0) == 15 * MINUTE


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        (None, None),
        (timedelta(0), MINUTE),
        (59 * SECOND, MINUTE),
        (61 * SECOND, 61 * SECOND),
        (12 * HOUR - SECOND, 12 * HOUR - SECOND),
        (13 * HOUR, 12 * HOUR),
    ],
)
def test_delay_of_the_server_is_limited(retry_after: timedelta | None, expected: timedelta | None):
    assert get_server_delay(TryAgainError("later", retry_after=retry_after)) == expected


@pytest.mark.parametrize("error", [None, RelayError(), ValueError()])
def test_other_errors_have_no_delay(error: Exception | None):
    assert get_server_delay(error) is None
