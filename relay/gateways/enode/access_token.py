"""The access token: asked for once, shared by all, renewed before it runs out."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import httpx

from relay.gateways.enode.errors import (
    EnodeCredentialsRefused,
    EnodeError,
    EnodeProtocolError,
    EnodeRateLimited,
    EnodeUnavailable,
)
from relay.gateways.enode.http_request import REDIRECTION, Clock, NoResponse, RequestResult, Response, send_request
from relay.gateways.enode.json_fields import JsonObject, parse_int, parse_json, require_object, require_text
from relay.gateways.enode.retry import TOO_MANY_REQUESTS, RetryingTransport, RetryMode

OPERATION = "token request"
MAX_BODY_BYTES = 64 * 1024
RENEWAL_MARGIN_SECONDS = 60.0
RENEWAL_MARGIN_FRACTION = 0.1
RENEWAL_RETRY_SECONDS = 15.0  # between early renewals that fail
DEFAULT_LIFETIME_SECONDS = 300  # Enode tells 3599 s; a server that tells nothing is asked again soon
MAX_LIFETIME_SECONDS = 24 * 3600
REFUSED_STATUSES = frozenset({400, 401, 403})


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """An access token and the monotonic seconds at which to renew it and at which it is dead."""

    value: str = field(repr=False)
    renew_at: float
    expires_at: float


class TokenCache:
    """One token for every caller. `fetch` asks Enode for a new one, and is never run twice at a time.

    `fetch` is told whether to be patient: while the old token lives, there is no need to be.
    """

    def __init__(self, fetch: Callable[[bool], Awaitable[AccessToken]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: AccessToken | None = None
        self._last_error: EnodeError | None = None
        self._fetch_count = 0

    async def get(self) -> str:
        """A token that lives. Raises what asking for a new one raises, unless the old one lives still."""
        while True:
            token = self._find_valid_token()
            # Renewal begins early so that few have to wait for it: one caller renews, the others use the old token.
            if token and (self._clock.monotonic() < token.renew_at or self._lock.locked()):
                return token.value
            rounds = self._fetch_count
            async with self._lock:
                if rounds == self._fetch_count:  # else somebody asked while we waited, and the outcome is ours too
                    await self._renew()
                token = self._token if self._last_error is None else self._find_valid_token()
            if token:
                return token.value
            if self._last_error:
                raise self._last_error.with_traceback(None)

    async def replace(self, refused_token: str) -> str:
        """A token other than `refused`, which Enode has just answered with 401. Raises as `get` does."""
        if self._token and self._token.value == refused_token:
            self._token = None
        return await self.get()

    async def _renew(self) -> None:
        old = self._find_valid_token()
        try:
            self._token, self._last_error = await self._fetch(old is None), None
        except EnodeError as error:
            self._last_error = error
            if old and self._token is old:
                self._token = replace(old, renew_at=self._clock.monotonic() + RENEWAL_RETRY_SECONDS)
        self._fetch_count += 1

    def _find_valid_token(self) -> AccessToken | None:
        token = self._token
        return token if token and self._clock.monotonic() < token.expires_at else None


class TokenEndpoint:
    """Enode's OAuth server: client credentials by HTTP Basic."""

    def __init__(self, transport: RetryingTransport, *, url: str, auth: httpx.BasicAuth) -> None:
        self._transport = transport
        self._url = url
        self._auth = auth

    async def fetch(self, with_retries: bool) -> AccessToken:  # noqa: FBT001  # TokenCache's callback, told what it waits for
        """A new token; asked for only once when not `patient`.

        Raises EnodeUnavailable, EnodeRateLimited, EnodeCredentialsRefused, EnodeProtocolError. None of them is `sent`:
        what the token was wanted for has not begun.
        """
        give_up_at = self._transport.get_deadline()
        try:
            outcome = await self._transport.send_with_retries(
                self._send_once,
                retry_mode=RetryMode.ALWAYS,
                deadline=give_up_at,
                max_attempts=None if with_retries else 1,
            )
            return self._parse_result(outcome)
        except EnodeProtocolError as error:
            raise EnodeProtocolError(OPERATION, fault=error.fault, is_outcome_unknown=False) from None

    def _parse_result(self, result: RequestResult) -> AccessToken:
        if isinstance(result, NoResponse):
            raise EnodeUnavailable(OPERATION, cause=result.cause, is_outcome_unknown=False)
        if fault := find_error(result):
            raise fault
        # Its life began at Enode, before the answer came.
        since = self._transport.clock.monotonic() - result.duration.total_seconds()
        return parse_token(require_object(parse_json(result.body, OPERATION), OPERATION), issued_at=since)

    async def _send_once(self) -> RequestResult:
        http, clock = self._transport.http, self._transport.clock
        request = http.build_request("POST", self._url, data={"grant_type": "client_credentials"})
        request = next(self._auth.auth_flow(request))
        return await send_request(http, request, operation=OPERATION, clock=clock, max_body_bytes=MAX_BODY_BYTES)


def find_error(response: Response) -> EnodeError | None:
    """What the status of the OAuth server's answer means; None for a good one."""
    status = response.status
    if status < REDIRECTION:
        return None
    if response.is_transient:
        return EnodeUnavailable(OPERATION, cause=f"HTTP {status}", is_outcome_unknown=False)
    if status == TOO_MANY_REQUESTS:
        return EnodeRateLimited(OPERATION, retry_after=response.retry_after)
    if status in REFUSED_STATUSES:
        return EnodeCredentialsRefused(OPERATION, status=status)
    return EnodeProtocolError(OPERATION, fault=f"HTTP {status}; is this the address of an OAuth server?")


def parse_token(source: JsonObject, *, issued_at: float) -> AccessToken:
    """The token in the OAuth server's answer; `since` is the monotonic second at which its life began.

    It is renewed 60 s before its end, or a tenth of its life before when that is less. Raises EnodeProtocolError.
    """
    value = require_text(source, "access_token", OPERATION)
    if not (value.isascii() and value.isprintable() and " " not in value):
        # Such a value would be refused by the HTTP library, in words that repeat it.
        raise EnodeProtocolError(OPERATION, fault="an access_token that fits no header")
    told = parse_int(source, "expires_in") or 0
    lifetime = min(told, MAX_LIFETIME_SECONDS) if told > 0 else DEFAULT_LIFETIME_SECONDS
    return AccessToken(
        value=value,
        renew_at=issued_at + lifetime - min(RENEWAL_MARGIN_SECONDS, lifetime * RENEWAL_MARGIN_FRACTION),
        expires_at=issued_at + lifetime,
    )
