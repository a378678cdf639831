"""The record of an endpoint, as its user sees it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from relay.delivery.models import Endpoint

AT = datetime(2026, 11, 29, 12, 0, 0, 500_999, tzinfo=timezone(timedelta(hours=2)))
SHOWN = "2026-11-29T10:00:00.500Z"
ENDPOINT = Endpoint(
    id=UUID(int=1),
    url="https://user-visible.example:8123/api/webhook/secret?token=secret",
    salt=b"salt",
    off_at=None,
    failing_since=None,
    last_success_at=None,
    last_failure=None,
    next_try_at=AT,
    webhook_id="secret",
    configured_id=None,
    vehicle_id=None,
    pending=False,
)
RECORD = {
    "id": "00000000-0000-0000-0000-000000000001",
    "host": "user-visible.example",
    "state": "on",
    "failing_since": None,
    "last_success_at": None,
    "last_failure": None,
    "next_try_at": None,
    "pending": False,
}


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, {}),
        ({"off_at": AT}, {"state": "off"}),
        ({"last_success_at": AT}, {"last_success_at": SHOWN}),
        ({"pending": True}, {"pending": True}),
        ({"last_failure": "answer"}, {"last_failure": "answer"}),
        ({"failing_since": AT}, {"failing_since": SHOWN, "next_try_at": SHOWN}),
        ({"failing_since": AT, "next_try_at": None}, {"failing_since": SHOWN}),
        ({"url": "https://[::1]:8123/x"}, {"host": "::1"}),
        ({"url": "nonsense"}, {"host": ""}),
    ],
)
def test_record_shows_the_state_and_only_the_host_of_the_url(changes, shown):
    assert replace(ENDPOINT, **changes).to_record() == RECORD | shown


def test_representation_hides_what_could_be_used_to_post():
    text = repr(replace(ENDPOINT, last_success_at=datetime(2026, 1, 1, tzinfo=UTC)))
    assert not any(secret in text for secret in ("secret", "salt", "user-visible"))
