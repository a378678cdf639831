"""Turns HTTP responses into JSON or into the matching RelayError."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import orjson
from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorSSLError,
    ClientError,
    ClientResponse,
    ServerFingerprintMismatch,
)

from .clock import parse_date
from .errors import (
    AccountDisabledError,
    CertificateChangedError,
    CertificateError,
    CommandRefusedError,
    EndpointRefusedError,
    EnodeUnavailableError,
    ForbiddenError,
    HomeRequiredError,
    NotBrokenError,
    NotFoundError,
    NoTlsError,
    NotSentError,
    PlanRequiredError,
    QuotaExhaustedError,
    RelayConnectionError,
    RelayError,
    TooManyRequestsError,
    TryAgainError,
    UnauthorizedError,
    UnsupportedRelayError,
    VehicleLimitError,
)
from .json_reader import Json, JsonReader, MalformedError
from .models import Command, CommandReason

RELAY_HEADER = "X-EVConduit-Relay"
MAX_RETRY_AFTER = timedelta(hours=12)
"""Upper bound for the `Retry-After` header."""


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise a RelayError in place of the errors of aiohttp, of the socket, and of parsing JSON."""
    try:
        yield
    except MalformedError as err:
        raise UnsupportedRelayError(f"unexpected response: {err}") from err
    except ClientConnectorCertificateError as err:
        raise CertificateError("the certificate is not trusted") from err
    except ServerFingerprintMismatch as err:
        raise CertificateChangedError("the certificate is not the trusted one") from err
    except ClientConnectorSSLError as err:
        raise NoTlsError("the server does not use TLS") from err
    except (ClientError, OSError) as err:  # TimeoutError is an OSError
        raise RelayConnectionError(type(err).__name__) from err


def parse_json_object(text: str | bytes) -> JsonReader:
    """Parse a JSON object. Raises MalformedError."""
    try:
        value: Json = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise MalformedError("JSON") from None  # the original error contains the text
    if not isinstance(value, dict):
        raise MalformedError("JSON object")
    return JsonReader(value)


async def raise_for_problem(response: ClientResponse) -> None:
    """Return if the request succeeded, else raise the RelayError that matches the response."""
    status = response.status
    if RELAY_HEADER not in response.headers:
        raise _create_non_relay_error(response)
    if status in {HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT}:
        return
    raise _create_error(status, await _read_problem(response), _get_retry_after(response))


def parse_retry_after(value: str | None, now: datetime | None = None) -> timedelta | None:
    """Parse the `Retry-After` header, in seconds or as a date. None if it is missing or unreadable."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        if (until := parse_date(value)) is None:
            return None
        seconds = (until - (now or datetime.now(UTC))).total_seconds()
    if math.isnan(seconds):
        return None
    return timedelta(seconds=min(max(seconds, 0.0), MAX_RETRY_AFTER.total_seconds()))


def _get_retry_after(response: ClientResponse) -> timedelta | None:
    """Return the `Retry-After`. A date is compared with the sender's own clock."""
    return parse_retry_after(response.headers.get("Retry-After"), parse_date(response.headers.get("Date")))


def _create_non_relay_error(response: ClientResponse) -> RelayError:
    """Create the error for a response without the relay's header: from a gateway before it, or from another server."""
    status = response.status
    if status == HTTPStatus.TOO_MANY_REQUESTS or status > HTTPStatus.INTERNAL_SERVER_ERROR:
        wait = _get_retry_after(response)
        return RelayConnectionError(f"gateway error (status {status})", retry_after=wait)
    return UnsupportedRelayError(f"not a relay (status {status})")


async def _read_problem(response: ClientResponse) -> JsonReader:
    try:
        return parse_json_object(await response.read())
    except MalformedError:
        return JsonReader(None)


# For problems whose type is not in ERROR_FACTORIES_BY_TYPE.
ERRORS_BY_STATUS: dict[int, type[RelayError]] = {
    HTTPStatus.UNAUTHORIZED: UnauthorizedError,
    HTTPStatus.PAYMENT_REQUIRED: PlanRequiredError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
}
TRANSIENT_ERRORS_BY_STATUS: dict[int, type[TryAgainError]] = {
    HTTPStatus.TOO_MANY_REQUESTS: TooManyRequestsError,
    HTTPStatus.BAD_GATEWAY: TryAgainError,
    HTTPStatus.SERVICE_UNAVAILABLE: TryAgainError,
    HTTPStatus.GATEWAY_TIMEOUT: TryAgainError,
}
# By the last part of the problem's type. Arguments: the problem's members and `Retry-After`.
ERROR_FACTORIES_BY_TYPE: dict[str, Callable[[JsonReader, timedelta | None], RelayError]] = {
    "plan-required": lambda _, __: PlanRequiredError("the plan does not include this"),
    "account-disabled": lambda _, wait: AccountDisabledError("the account is disabled", retry_after=wait),
    "quota-exhausted": lambda _, wait: QuotaExhaustedError("the allowance is used up", retry_after=wait),
    "command-refused": lambda problem, _: CommandRefusedError(_parse_reason(problem)),
    "endpoint-refused": lambda _, __: EndpointRefusedError("the relay does not POST to such an address"),
    "vehicle-limit": lambda _, __: VehicleLimitError("the plan has no room for another vehicle"),
    "not-sent": lambda _, wait: NotSentError("the command is not sent yet", retry_after=wait),
    "home-required": lambda _, __: HomeRequiredError("the account has no home location"),
    "not-broken": lambda _, __: NotBrokenError("the link is not broken"),
    "enode-unavailable": lambda problem, wait: EnodeUnavailableError(
        "Enode does not answer", retry_after=wait, command=_parse_command(problem)
    ),
}


def _create_error(status: int, problem: JsonReader, wait: timedelta | None) -> RelayError:
    slug = (problem.get_str("type") or "").rpartition(":")[2]
    if create := ERROR_FACTORIES_BY_TYPE.get(slug):
        return create(problem, wait)
    message = f"status {status} {slug}".rstrip()
    if error := TRANSIENT_ERRORS_BY_STATUS.get(status):
        return error(message, retry_after=wait)
    created = ERRORS_BY_STATUS.get(status, RelayError)(message)
    created.is_invalid_request = slug == "invalid-request"
    return created


def _parse_reason(problem: JsonReader) -> CommandReason:
    """Return the vendor's reason, with the problem's own detail if the vendor gave none."""
    reason = CommandReason.parse(problem.get_object("reason"))
    return reason if reason.detail else CommandReason(type=reason.type, detail=problem.get_str("detail"))


def _parse_command(problem: JsonReader) -> Command | None:
    command = problem.get_object("command")
    return Command.parse(command) if command.values else None
