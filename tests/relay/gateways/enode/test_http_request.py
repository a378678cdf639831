"""One response of Enode, read without a server: its age, Retry-After, and its problem; the errors' texts."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from relay.gateways.enode.errors import (
    EnodeCredentialsRefused,
    EnodeForbidden,
    EnodeNotFound,
    EnodeProblem,
    EnodeProtocolError,
    EnodeRateLimited,
    EnodeRefused,
    EnodeUnavailable,
)
from relay.gateways.enode.http_request import NO_RESPONSE_BY_EXCEPTION, Response, parse_http_date

NOON = datetime(2026, 2, 28, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def create_response(status=200, body=b"", duration=timedelta(0), **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=status, headers=httpx.Headers(headers), body=body, received_at=NOON, duration=duration)


@pytest.mark.parametrize(
    ("headers", "as_of"),
    [
        ({}, NOON - 2 * SECOND),
        ({"date": "Sat, 28 Feb 2026 12:00:10 GMT"}, NOON + 8 * SECOND),
        ({"date": "Sun, 01 Mar 2026 00:00:01 GMT"}, datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)),
        ({"date": "soon"}, NOON - 2 * SECOND),
    ],
)
def test_response_is_as_old_as_its_request(headers, as_of):
    assert create_response(duration=2 * SECOND, **headers).as_of == as_of


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "0"}, 0),
        ({"retry_after": "7"}, 7),
        ({"retry_after": "-7"}, 0),
        ({"retry_after": "1.5"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "9" * 30}, None),
        ({"retry_after": "Sat, 28 Feb 2026 12:00:30 GMT"}, 30),
        ({"retry_after": "Sat, 28 Feb 2026 11:00:00 GMT"}, 0),
        ({"retry_after": "Sat, 28 Feb 2026 12:00:30 GMT", "date": "Sat, 28 Feb 2026 12:00:10 GMT"}, 20),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_servers_clock(headers, seconds):
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert create_response(status=429, **headers).retry_after == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, False),
        (400, False),
        (407, False),
        (408, True),
        (409, False),
        (429, False),
        (499, False),
        (500, True),
        (503, True),
    ],
)
def test_server_errors_and_request_timeouts_are_transient(status, expected):
    response = create_response(status)
    assert (response.is_transient, response.may_have_acted) == (expected, expected)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", EnodeProblem(status=404)),
        (b"<html>", EnodeProblem(status=404)),
        (b"[]", EnodeProblem(status=404)),
        (b"{}", EnodeProblem(status=404)),
        (
            b'{"type": "https://x/not-found", "title": "t", "detail": "d", "issues": [{"a": 1}, 2], "status": 1}',
            EnodeProblem(status=404, type="https://x/not-found", title="t", detail="d", issues=({"a": 1},)),
        ),
        (b'{"type": 1, "title": null, "detail": [], "issues": {}}', EnodeProblem(status=404)),
    ],
)
def test_problem_document_is_read_from_any_body(body, problem):
    assert create_response(404, body).problem == problem


@pytest.mark.parametrize(
    ("kind", "slug"),
    [
        ("https://docs.enode.io/problems/not-found", "not-found"),
        ("not-found", "not-found"),
        ("https://x/" + "a" * 64, "a" * 64),
        ("https://x/" + "a" * 65, "unknown"),
        ("https://x/Not-Found", "unknown"),
        ("https://x/", "unknown"),
        ("", "unknown"),
        ("https://x/a\n", "unknown"),
    ],
)
def test_slug_is_the_last_segment_if_it_is_safe_to_log(kind, slug):
    assert EnodeProblem(status=400, type=kind).slug == slug


GONE = EnodeProblem(status=404, type="https://x/not-found", title="private", detail="private")


@pytest.mark.parametrize(
    ("error", "text", "is_outcome_unknown"),
    [
        (
            EnodeUnavailable("GET /x", cause="no answer", is_outcome_unknown=True),
            "Enode, GET /x: no answer; the outcome is unknown",
            True,
        ),
        (
            EnodeUnavailable("GET /x", cause="no answer", is_outcome_unknown=False),
            "Enode, GET /x: no answer; nothing was done",
            False,
        ),
        (EnodeRateLimited("GET /x", retry_after=None), "Enode, GET /x: too many requests", False),
        (
            EnodeRateLimited("GET /x", retry_after=timedelta(seconds=90)),
            "Enode, GET /x: too many requests, retry after 90 s",
            False,
        ),
        (EnodeRefused("GET /x", problem=GONE), "Enode, GET /x: refused (HTTP 404, not-found)", False),
        (EnodeNotFound("GET /x", problem=GONE), "Enode, GET /x: not found (HTTP 404, not-found)", False),
        (EnodeForbidden("GET /x", problem=GONE), "Enode, GET /x: forbidden (HTTP 404, not-found)", False),
        (
            EnodeCredentialsRefused("GET /x", status=401),
            "Enode, GET /x: the client credentials are refused (HTTP 401)",
            False,
        ),
        (EnodeProtocolError("GET /x", fault="not JSON"), "Enode, GET /x: unexpected response: not JSON", True),
    ],
)
def test_error_names_the_route_and_says_whether_the_outcome_is_known(error, text, is_outcome_unknown):
    assert (str(error), error.operation, error.is_outcome_unknown) == (text, "GET /x", is_outcome_unknown)


@pytest.mark.parametrize(
    ("error", "may_have_acted"),
    [
        (httpx.PoolTimeout("x"), False),
        (httpx.ConnectTimeout("x"), False),
        (httpx.ConnectError("x"), False),
        (httpx.ReadTimeout("x"), True),
        (httpx.WriteTimeout("x"), True),
        (httpx.ReadError("x"), True),
        (httpx.RemoteProtocolError("x"), True),
        (httpx.StreamClosed(), True),
        (ConnectionResetError(), True),
    ],
)
def test_only_a_request_that_was_not_sent_certainly_did_nothing(error, may_have_acted):
    found = next(no_response for kind, no_response in NO_RESPONSE_BY_EXCEPTION if isinstance(error, kind))
    assert found.may_have_acted is may_have_acted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sat, 28 Feb 2026 12:00:00 GMT", NOON),
        ("Sat, 28 Feb 2026 13:00:00 +0100", NOON),
        ("Sat, 28 Feb 2026 12:00:00 -0000", NOON),
        ("", None),
        (None, None),
        ("2026-02-28", None),
        ("Sat, 31 Feb 2026 12:00:00 GMT", None),
    ],
)
def test_http_date_is_in_utc(text, expected):
    assert parse_http_date(text) == expected
