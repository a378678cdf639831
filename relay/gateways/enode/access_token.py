"""Enode's access token: fetched once, shared by all callers, renewed before it expires."""

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
from relay.gateways.enode.json_fields import parse_int, parse_json, require_object, require_text
from relay.gateways.enode.retry import TOO_MANY_REQUESTS, RetryingTransport, RetryMode
from relay.kit.json_object import JsonObject

OPERATION = "token request"
MAX_BODY_BYTES = 64 * 1024
RENEWAL_MARGIN_SECONDS = 60.0
RENEWAL_MARGIN_FRACTION = 0.1
RENEWAL_RETRY_SECONDS = 15.0  # between early renewals that fail
DEFAULT_LIFETIME_SECONDS = 300  # where the response has no expires_in; Enode sends 3599
MAX_LIFETIME_SECONDS = 24 * 3600
REFUSED_STATUSES = frozenset({400, 401, 403})


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """An access token, with its renewal and expiry times in seconds of the monotonic clock."""

    value: str = field(repr=False)
    renew_at: float
    expires_at: float


class TokenCache:
    """One access token for all callers. `fetch` requests a new one from Enode; two fetches never run at a time.

    The argument of `fetch` says whether to retry: False while the old token is still valid.
    """

    def __init__(self, fetch: Callable[[bool], Awaitable[AccessToken]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: AccessToken | None = None
        self._last_error: EnodeError | None = None
        self._fetch_count = 0

    async def get(self) -> str:
        """Return a valid token. Raises what `fetch` raises, unless the old token is still valid."""
        while True:
            token = self._find_valid_token()
            # Renewal starts before expiry so that few callers wait: one renews, the others use the old token.
            if token and (self._clock.monotonic() < token.renew_at or self._lock.locked()):
                return token.value
            fetch_count = self._fetch_count
            async with self._lock:
                if fetch_count == self._fetch_count:  # otherwise another caller's fetch ended while this one waited
                    await self._renew()
                token = self._token if self._last_error is None else self._find_valid_token()
            if token:
                return token.value
            if self._last_error:
                raise self._last_error.with_traceback(None)

    async def replace(self, refused_token: str) -> str:
        """Return a token other than `refused_token`, which Enode has just answered with 401. Raises as `get` does."""
        if self._token and self._token.value == refused_token:
            self._token = None
        return await self.get()

    async def _renew(self) -> None:
        old_token = self._find_valid_token()
        try:
            self._token, self._last_error = await self._fetch(old_token is None), None
        except EnodeError as error:
            self._last_error = error
            if old_token and self._token is old_token:
                self._token = replace(old_token, renew_at=self._clock.monotonic() + RENEWAL_RETRY_SECONDS)
        self._fetch_count += 1

    def _find_valid_token(self) -> AccessToken | None:
        token = self._token
        return token if token and self._clock.monotonic() < token.expires_at else None


class TokenEndpoint:
    """The token endpoint of Enode's OAuth server: client credentials grant, with HTTP Basic authentication."""

    def __init__(self, transport: RetryingTransport, *, url: str, auth: httpx.BasicAuth) -> None:
        self._transport = transport
        self._url = url
        self._auth = auth

    async def fetch(self, with_retries: bool) -> AccessToken:  # noqa: FBT001  # the signature of TokenCache's callback
        """Request a new token, in a single attempt unless `with_retries`.

        Raises EnodeUnavailable, EnodeRateLimited, EnodeCredentialsRefused, EnodeProtocolError, all of them with
        `is_outcome_unknown` False: the call that needs the token has not been sent.
        """
        try:
            result = await self._transport.send_with_retries(
                self._send_once,
                retry_mode=RetryMode.ALWAYS,
                deadline=self._transport.get_deadline(),
                max_attempts=None if with_retries else 1,
            )
            return self._parse_result(result)
        except EnodeProtocolError as error:
            raise EnodeProtocolError(OPERATION, fault=error.fault, is_outcome_unknown=False) from None

    def _parse_result(self, result: RequestResult) -> AccessToken:
        if isinstance(result, NoResponse):
            raise EnodeUnavailable(OPERATION, cause=result.cause, is_outcome_unknown=False)
        if error := find_token_error(result):
            raise error
        # The lifetime counts from when Enode issued the token, at the earliest when the request was sent.
        issued_at = self._transport.clock.monotonic() - result.duration.total_seconds()
        return parse_token(require_object(parse_json(result.body, OPERATION), OPERATION), issued_at=issued_at)

    async def _send_once(self) -> RequestResult:
        http, clock = self._transport.http, self._transport.clock
        request = http.build_request("POST", self._url, data={"grant_type": "client_credentials"})
        request = next(self._auth.auth_flow(request))
        return await send_request(http, request, operation=OPERATION, clock=clock, max_body_bytes=MAX_BODY_BYTES)


def find_token_error(response: Response) -> EnodeError | None:
    """Return the error that the status of the OAuth server's response stands for, None for success."""
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
    """Parse the OAuth server's response. `issued_at` is the monotonic second at which the token's lifetime began.

    The token is renewed 60 s before it expires, or a tenth of its lifetime before if that is less.
    Raises EnodeProtocolError.
    """
    value = require_text(source, "access_token", OPERATION)
    if not (value.isascii() and value.isprintable() and " " not in value):
        # httpx would reject such a value with a message that contains it.
        raise EnodeProtocolError(OPERATION, fault="an access_token that is not valid in a header")
    expires_in = parse_int(source, "expires_in") or 0
    lifetime = min(expires_in, MAX_LIFETIME_SECONDS) if expires_in > 0 else DEFAULT_LIFETIME_SECONDS
    return AccessToken(
        value=value,
        renew_at=issued_at + lifetime - min(RENEWAL_MARGIN_SECONDS, lifetime * RENEWAL_MARGIN_FRACTION),
        expires_at=issued_at + lifetime,
    )
