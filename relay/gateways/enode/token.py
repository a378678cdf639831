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
from relay.gateways.enode.exchange import REDIRECTION, Answer, Clock, Outcome, Silence, exchange
from relay.gateways.enode.fields import JsonObject, as_object, parse_json, required, whole
from relay.gateways.enode.retry import TOO_MANY, Repeat, Wire

OPERATION = "token request"
BODY_LIMIT = 64 * 1024
MARGIN = 60.0
MARGIN_SHARE = 0.1
PAUSE = 15.0  # between early renewals that fail
UNTOLD_LIFETIME = 300  # Enode tells 3599 s; a server that tells nothing is asked again soon
LONGEST_LIFETIME = 24 * 3600
REFUSALS = frozenset({400, 401, 403})


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token and the monotonic seconds at which to renew it and at which it is dead."""

    value: str = field(repr=False)
    renew_at: float
    ends_at: float


class TokenCache:
    """One token for every caller. `fetch` asks Enode for a new one, and is never run twice at a time.

    `fetch` is told whether to be patient: while the old token lives, there is no need to be.
    """

    def __init__(self, fetch: Callable[[bool], Awaitable[Token]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: Token | None = None
        self._failure: EnodeError | None = None
        self._rounds = 0

    async def get(self) -> str:
        """A token that lives. Raises what asking for a new one raises, unless the old one lives still."""
        while True:
            token = self._living()
            # Renewal begins early so that few have to wait for it: one caller renews, the others use the old token.
            if token and (self._clock.monotonic() < token.renew_at or self._lock.locked()):
                return token.value
            rounds = self._rounds
            async with self._lock:
                if rounds == self._rounds:  # else somebody asked while we waited, and the outcome is ours too
                    await self._renew()
                token = self._token if self._failure is None else self._living()
            if token:
                return token.value
            if self._failure:
                raise self._failure.with_traceback(None)

    async def replace(self, refused: str) -> str:
        """A token other than `refused`, which Enode has just answered with 401. Raises as `get` does."""
        if self._token and self._token.value == refused:
            self._token = None
        return await self.get()

    async def _renew(self) -> None:
        old = self._living()
        try:
            self._token, self._failure = await self._fetch(old is None), None
        except EnodeError as error:
            self._failure = error
            if old and self._token is old:
                self._token = replace(old, renew_at=self._clock.monotonic() + PAUSE)
        self._rounds += 1

    def _living(self) -> Token | None:
        token = self._token
        return token if token and self._clock.monotonic() < token.ends_at else None


class TokenEndpoint:
    """Enode's OAuth server: client credentials by HTTP Basic."""

    def __init__(self, wire: Wire, *, url: str, auth: httpx.BasicAuth) -> None:
        self._wire = wire
        self._url = url
        self._auth = auth

    async def fetch(self, patient: bool) -> Token:  # noqa: FBT001  # TokenCache's callback, told what it waits for
        """A new token; asked for only once when not `patient`.

        Raises EnodeUnavailable, EnodeRateLimited, EnodeCredentialsRefused, EnodeProtocolError. None of them is `sent`:
        what the token was wanted for has not begun.
        """
        give_up_at = self._wire.deadline()
        try:
            outcome = await self._wire.persist(
                self._ask, repeat=Repeat.FREELY, give_up_at=give_up_at, tries=None if patient else 1
            )
            return self._read(outcome)
        except EnodeProtocolError as error:
            raise EnodeProtocolError(OPERATION, fault=error.fault, sent=False) from None

    def _read(self, outcome: Outcome) -> Token:
        if isinstance(outcome, Silence):
            raise EnodeUnavailable(OPERATION, cause=outcome.cause, sent=False)
        if fault := fault_of(outcome):
            raise fault
        # Its life began at Enode, before the answer came.
        since = self._wire.clock.monotonic() - outcome.took.total_seconds()
        return read_token(as_object(parse_json(outcome.body, OPERATION), OPERATION), since=since)

    async def _ask(self) -> Outcome:
        http, clock = self._wire.http, self._wire.clock
        request = http.build_request("POST", self._url, data={"grant_type": "client_credentials"})
        request = next(self._auth.auth_flow(request))
        return await exchange(http, request, operation=OPERATION, clock=clock, body_limit=BODY_LIMIT)


def fault_of(answer: Answer) -> EnodeError | None:
    """What the status of the OAuth server's answer means; None for a good one."""
    status = answer.status
    if status < REDIRECTION:
        return None
    if answer.is_transient:
        return EnodeUnavailable(OPERATION, cause=f"HTTP {status}", sent=False)
    if status == TOO_MANY:
        return EnodeRateLimited(OPERATION, retry_after=answer.retry_after)
    if status in REFUSALS:
        return EnodeCredentialsRefused(OPERATION, status=status)
    return EnodeProtocolError(OPERATION, fault=f"HTTP {status}; is this the address of an OAuth server?")


def read_token(answer: JsonObject, *, since: float) -> Token:
    """The token in the OAuth server's answer; `since` is the monotonic second at which its life began.

    It is renewed 60 s before its end, or a tenth of its life before when that is less. Raises EnodeProtocolError.
    """
    value = required(answer, "access_token", OPERATION)
    if not (value.isascii() and value.isprintable() and " " not in value):
        # Such a value would be refused by the HTTP library, in words that repeat it.
        raise EnodeProtocolError(OPERATION, fault="an access_token that fits no header")
    told = whole(answer, "expires_in") or 0
    lifetime = min(told, LONGEST_LIFETIME) if told > 0 else UNTOLD_LIFETIME
    return Token(
        value=value, renew_at=since + lifetime - min(MARGIN, lifetime * MARGIN_SHARE), ends_at=since + lifetime
    )
