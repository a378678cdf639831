"""From an HTTP answer to what it means: JSON, or the error whose class says what to do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import orjson
from aiohttp import ClientError, ClientResponse

from .errors import (
    AccountDisabledError,
    CommandRefusedError,
    EndpointRefusedError,
    EnodeUnavailableError,
    ForbiddenError,
    NotBrokenError,
    NotFoundError,
    PlanRequiredError,
    QuotaExhaustedError,
    RelayConnectionError,
    RelayError,
    TooManyRequestsError,
    TryAgainError,
    UnauthorizedError,
    UnsupportedRelayError,
)
from .fields import Fields, Json, MalformedError
from .models import Command, Reason

RELAY_HEADER = "X-EVConduit-Relay"
LONGEST_WAIT = timedelta(hours=12)
"""More than this no relay means when it says `Retry-After`."""


@contextmanager
def translated() -> Iterator[None]:
    """No error of aiohttp, of the socket below it, or of reading JSON passes this door untranslated."""
    try:
        yield
    except MalformedError as err:
        raise UnsupportedRelayError(f"an answer that we do not understand: {err}") from err
    except (ClientError, OSError) as err:  # TimeoutError is an OSError
        raise RelayConnectionError(type(err).__name__) from err


def json_of(text: str | bytes) -> Fields:
    """The JSON object in `text`. Raises MalformedError."""
    try:
        value: Json = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise MalformedError("JSON") from None  # the error would carry the text
    if not isinstance(value, dict):
        raise MalformedError("JSON object")
    return Fields(value)


async def check(response: ClientResponse) -> None:
    """Return if the relay granted what was asked. Raises the RelayError that says what to do otherwise."""
    status = response.status
    if RELAY_HEADER not in response.headers:
        raise _stranger(response)
    if status in {HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT}:
        return
    raise _problem(status, await _body(response), retry_after(response.headers.get("Retry-After")))


def retry_after(value: str | None, now: datetime | None = None) -> timedelta | None:
    """The header `Retry-After`, in seconds or as a date; None when absent or unreadable."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (until.astimezone(UTC) - (now or datetime.now(UTC))).total_seconds()
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST_WAIT.total_seconds()))


def _stranger(response: ClientResponse) -> RelayError:
    """Not the relay's own answer: a gateway before a relay that is down, or no relay at all."""
    status = response.status
    if status == HTTPStatus.TOO_MANY_REQUESTS or status > HTTPStatus.INTERNAL_SERVER_ERROR:
        wait = retry_after(response.headers.get("Retry-After"))
        return RelayConnectionError(f"a gateway answers {status}", retry_after=wait)
    return UnsupportedRelayError(f"not a relay (status {status})")


async def _body(response: ClientResponse) -> Fields:
    try:
        return json_of(await response.read())
    except MalformedError:
        return Fields(None)


# What a status means where the problem's type does not say more.
BY_STATUS: dict[int, type[RelayError]] = {
    HTTPStatus.UNAUTHORIZED: UnauthorizedError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
}
WAITING: dict[int, type[TryAgainError]] = {
    HTTPStatus.TOO_MANY_REQUESTS: TooManyRequestsError,
    HTTPStatus.BAD_GATEWAY: TryAgainError,
    HTTPStatus.SERVICE_UNAVAILABLE: TryAgainError,
    HTTPStatus.GATEWAY_TIMEOUT: TryAgainError,
}
# What the problem's type says. Each is made of the problem's members and the wait that the relay wishes.
BY_TYPE: dict[str, Callable[[Fields, timedelta | None], RelayError]] = {
    "plan-required": lambda _, __: PlanRequiredError("the plan does not include this"),
    "account-disabled": lambda _, wait: AccountDisabledError("the account is switched off", retry_after=wait),
    "quota-exhausted": lambda _, wait: QuotaExhaustedError("the calls are used up", retry_after=wait),
    "command-refused": lambda problem, _: CommandRefusedError(_reason(problem)),
    "endpoint-refused": lambda _, __: EndpointRefusedError("the relay does not POST to such an address"),
    "not-broken": lambda _, __: NotBrokenError("the link is in order"),
    "enode-unavailable": lambda problem, wait: EnodeUnavailableError(
        "Enode does not answer", retry_after=wait, command=_command(problem)
    ),
}


def _problem(status: int, problem: Fields, wait: timedelta | None) -> RelayError:
    slug = (problem.text("type") or "").rpartition(":")[2]
    if make := BY_TYPE.get(slug):
        return make(problem, wait)
    what = f"status {status} {slug}".rstrip()
    if waiting := WAITING.get(status):
        return waiting(what, retry_after=wait)
    return BY_STATUS.get(status, RelayError)(what)


def _reason(problem: Fields) -> Reason:
    """The vendor's reason; the problem's own sentence where there is none."""
    reason = Reason.parse(problem.fields("reason"))
    return reason if reason.detail else Reason(type=reason.type, detail=problem.text("detail"))


def _command(problem: Fields) -> Command | None:
    command = problem.fields("command")
    return Command.parse(command) if command.values else None
