"""How responses of the relay, and of gateways before it, become errors."""

from datetime import UTC, datetime, timedelta

import pytest
from relay_double import TESLA, Problem, RelayDouble, make_command

from custom_components.evconduit.client import (
    AccountDisabledError,
    CommandKind,
    EndpointRefusedError,
    EnodeUnavailableError,
    NotBrokenError,
    NotFoundError,
    QuotaExhaustedError,
    RelayClient,
    RelayConnectionError,
    RelayError,
    TooManyRequestsError,
    TryAgainError,
    UnsupportedRelayError,
    parse_retry_after,
)

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
WAIT = {"Retry-After": "90"}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("0", timedelta(0)),
        ("-5", timedelta(0)),
        ("1.5", timedelta(seconds=1.5)),
        ("43199", timedelta(seconds=43199)),
        ("43201", timedelta(hours=12)),
        ("99999999", timedelta(hours=12)),
        ("inf", timedelta(hours=12)),
        ("-inf", timedelta(0)),
        ("Fri, 20 Nov 2026 18:01:00 GMT", timedelta(minutes=1)),
        ("Fri, 20 Nov 2026 19:01:00 +0100", timedelta(minutes=1)),
        ("Fri, 20 Nov 2026 17:00:00 GMT", timedelta(0)),
        ("Sat, 21 Nov 2026 18:00:00 GMT", timedelta(hours=12)),
        ("Fri, 31 Dec 9999 23:59:59 -1400", None),
        ("Fri, 20 Nov 2026 25:00:00 GMT", None),
    ],
)
def test_retry_after_is_parsed_within_limits(header: str | None, expected: timedelta | None):
    assert parse_retry_after(header, NOW) == expected


def test_retry_after_as_a_date_counts_from_now():
    until = datetime.now(UTC) + timedelta(minutes=10)
    delay = parse_retry_after(until.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    assert delay is not None
    assert timedelta(minutes=9) < delay <= timedelta(minutes=10)


@pytest.mark.parametrize(
    ("problem", "error"),
    [
        (Problem(403, "account-disabled", headers=WAIT), AccountDisabledError),
        (Problem(429, "quota-exhausted", headers=WAIT), QuotaExhaustedError),
        (Problem(429, "too-many-requests", headers=WAIT), TooManyRequestsError),
        (Problem(429, None, headers=WAIT), TooManyRequestsError),
        (Problem(502, "enode-unavailable", headers=WAIT), EnodeUnavailableError),
        (Problem(502, "other", headers=WAIT), TryAgainError),
        (Problem(503, "unavailable", headers=WAIT), TryAgainError),
        (Problem(504, "timeout", headers=WAIT), TryAgainError),
        (Problem(504, body=b"<html>", headers=WAIT), TryAgainError),
        (Problem(429, is_relay=False, headers=WAIT), RelayConnectionError),
        (Problem(501, is_relay=False, headers=WAIT), RelayConnectionError),
        (Problem(503, is_relay=False, headers=WAIT), RelayConnectionError),
    ],
)
async def test_temporary_error_has_the_requested_delay(
    relay: RelayDouble, client: RelayClient, problem: Problem, error: type[TryAgainError]
):
    with relay.failing("account", with_=problem), pytest.raises(TryAgainError) as raised:
        await client.get_account()
    assert type(raised.value) is error
    assert raised.value.retry_after == timedelta(seconds=90)


@pytest.mark.parametrize(
    "problem",
    [Problem(429, "too-many-requests"), Problem(502, is_relay=False), Problem(429, is_relay=False)],
)
async def test_temporary_error_without_delay(relay: RelayDouble, client: RelayClient, problem: Problem):
    with relay.failing("account", with_=problem), pytest.raises(TryAgainError) as raised:
        await client.get_account()
    assert raised.value.retry_after is None


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem(418, "from-the-future"), "status 418 from-the-future"),
        (Problem(500, body=b"<html>"), "status 500"),
        (Problem(503, "unavailable"), "status 503 unavailable"),
        (Problem(502, is_relay=False), "gateway error (status 502)"),
        (Problem(404, is_relay=False), "not a relay (status 404)"),
        (Problem(200, body=b"secret"), "unexpected response: JSON is missing or of the wrong type"),
        (Problem(200, body=b'["secret"]'), "unexpected response: JSON object is missing or of the wrong type"),
        (Problem(200, body=b'{"secret": 1}'), "unexpected response: id is missing or of the wrong type"),
    ],
)
async def test_error_names_the_status_and_no_content(
    relay: RelayDouble, client: RelayClient, problem: Problem, text: str
):
    with relay.failing("account", with_=problem), pytest.raises(RelayError) as raised:
        await client.get_account()
    assert str(raised.value) == text


@pytest.mark.parametrize(
    ("problem", "error"),
    [
        (Problem(404, "not-found"), NotFoundError),
        (Problem(409, "not-broken"), NotBrokenError),
        (Problem(422, "endpoint-refused"), EndpointRefusedError),
        (Problem(201, body=b"{}"), RelayError),
    ],
)
async def test_error_of_a_single_route(
    relay: RelayDouble, client: RelayClient, problem: Problem, error: type[RelayError]
):
    with relay.failing("relink", with_=problem), pytest.raises(RelayError) as raised:
        await client.create_relink_page(TESLA)
    assert type(raised.value) is error


@pytest.mark.parametrize("members", [{}, {"command": None}, {"command": {}}, {"command": "sent"}])
async def test_enode_unavailable_error_without_command(
    relay: RelayDouble, client: RelayClient, members: dict[str, object]
):
    problem = Problem(502, "enode-unavailable", members)
    with relay.failing("charging", with_=problem), pytest.raises(EnodeUnavailableError) as raised:
        await client.send_charging_command(TESLA, CommandKind.START, idempotency_key="abc")
    assert raised.value.command is None


async def test_malformed_command_of_a_problem_is_an_unsupported_relay(relay: RelayDouble, client: RelayClient):
    problem = Problem(502, "enode-unavailable", {"command": make_command(id=None)})
    with relay.failing("charging", with_=problem), pytest.raises(UnsupportedRelayError):
        await client.send_charging_command(TESLA, CommandKind.START, idempotency_key="abc")
