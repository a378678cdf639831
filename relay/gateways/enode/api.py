"""A call to Enode's API: path and token put on, repeated where that is right, its status turned into our errors."""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from relay.gateways.enode.errors import (
    EnodeCredentialsRefused,
    EnodeError,
    EnodeForbidden,
    EnodeNotFound,
    EnodeProblemError,
    EnodeProtocolError,
    EnodeRateLimited,
    EnodeRefused,
    EnodeUnavailable,
    Problem,
)
from relay.gateways.enode.exchange import ERROR, REDIRECTION, Answer, Outcome, Silence, exchange
from relay.gateways.enode.fields import JsonObject, as_object, as_objects, parse_json
from relay.gateways.enode.retry import TOO_MANY, Repeat, Wire
from relay.gateways.enode.token import TokenCache

logger = logging.getLogger(__name__)

API_VERSION = "2024-10-01"
UNAUTHORIZED = 401
NOT_FOUND = 404
LONGEST_ID = 1024
PROBLEMS: Mapping[int, type[EnodeProblemError]] = {403: EnodeForbidden, NOT_FOUND: EnodeNotFound}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request in our terms. Each `{}` of `route` takes one of `ids`, which may be hostile strings."""

    method: str
    route: str
    ids: tuple[str, ...] = field(default=(), repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    repeat: Repeat = Repeat.FREELY
    accepts: frozenset[int] = frozenset()
    """Statuses besides 2xx that are answers rather than errors."""
    authorized: bool = True

    @property
    def operation(self) -> str:
        """Method and route, without what was put into it."""
        return f"{self.method} {self.route}"

    @property
    def path(self) -> str:
        """The route with its ids percent-encoded. Raises EnodeNotFound for an id that no path can name."""
        return self.route.format(*(self._segment(value) for value in self.ids))

    def _segment(self, value: str) -> str:
        # A dot segment would climb to another route, an empty one would fall into another; quoting helps neither.
        if value not in {"", ".", ".."} and len(value) <= LONGEST_ID:
            try:
                return quote(value, safe="")
            except UnicodeEncodeError:  # a lone surrogate
                pass
        raise EnodeNotFound(self.operation, problem=Problem(status=NOT_FOUND, title="No such id"))


class EnodeApi:
    """Makes calls. Every method raises EnodeError and nothing else."""

    def __init__(self, wire: Wire, *, base_url: str, tokens: TokenCache, body_limit: int) -> None:
        self._wire = wire
        self._base_url = base_url.rstrip("/")
        self._tokens = tokens
        self._body_limit = body_limit

    async def send(self, call: Call) -> Answer:
        """The answer to `call`, whose status is 2xx or among those it accepts."""
        attempt = _Attempt(path=call.path, give_up_at=self._wire.deadline())
        try:
            async with asyncio.timeout(self._wire.policy.deadline.total_seconds()):
                outcome = await self._authorized(call, attempt)
        except TimeoutError:
            raise EnodeUnavailable(call.operation, cause="no answer in time", sent=attempt.sent) from None
        if isinstance(outcome, Silence):
            raise EnodeUnavailable(call.operation, cause=outcome.cause, sent=attempt.sent)
        if fault := fault_of(outcome, call):
            raise fault
        return outcome

    async def get_object(self, call: Call) -> JsonObject:
        """The JSON object that answers `call`."""
        answer = await self.send(call)
        return as_object(parse_json(answer.body, call.operation), call.operation)

    async def get_objects(self, call: Call) -> tuple[JsonObject, ...]:
        """The JSON array of objects that answers `call`."""
        answer = await self.send(call)
        return as_objects(parse_json(answer.body, call.operation), call.operation)

    async def _authorized(self, call: Call, attempt: _Attempt) -> Outcome:
        if not call.authorized:
            return await self._persist(call, attempt, {})
        token = await self._tokens.get()
        outcome = await self._persist(call, attempt, bearer(token))
        if isinstance(outcome, Answer) and outcome.status == UNAUTHORIZED:
            # Tokens can die early (a new client secret kills them): one new token, one repeat. Enode did not act.
            token = await self._tokens.replace(token)
            outcome = await self._persist(call, attempt, bearer(token))
        return outcome

    async def _persist(self, call: Call, attempt: _Attempt, authorization: dict[str, str]) -> Outcome:
        headers = {"Enode-Version": API_VERSION, "Accept": "application/json"} | authorization
        content = None
        if call.body is not None:
            content = json.dumps(call.body, allow_nan=False).encode()
            headers["Content-Type"] = "application/json"

        async def ask() -> Outcome:
            request = self._wire.http.build_request(
                call.method, self._base_url + attempt.path, params=call.query or None, headers=headers, content=content
            )
            return await self._ask(request, call.operation, attempt)

        return await self._wire.persist(ask, repeat=call.repeat, give_up_at=attempt.give_up_at)

    async def _ask(self, request: httpx.Request, operation: str, attempt: _Attempt) -> Outcome:
        attempt.in_flight = True
        outcome = await exchange(
            self._wire.http, request, operation=operation, clock=self._wire.clock, body_limit=self._body_limit
        )
        attempt.in_flight = False
        attempt.may_have_acted |= outcome.may_have_acted
        logger.debug("Enode, %s: %s", operation, describe(outcome))
        return outcome


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """A call on its way: its path, and what Enode may have seen of it."""

    path: str = field(repr=False)
    give_up_at: float
    in_flight: bool = False
    may_have_acted: bool = False

    @property
    def sent(self) -> bool:
        return self.in_flight or self.may_have_acted


def bearer(token: str) -> dict[str, str]:
    """The header that carries the access token."""
    return {"Authorization": f"Bearer {token}"}


def describe(outcome: Outcome) -> str:
    """`outcome` in words fit for a log."""
    return outcome.cause if isinstance(outcome, Silence) else f"HTTP {outcome.status}"


def fault_of(answer: Answer, call: Call) -> EnodeError | None:
    """What the status of `answer` means for `call`; None when it is what was asked for."""
    status, operation = answer.status, call.operation
    if status < REDIRECTION or status in call.accepts:
        return None
    if answer.is_transient:
        return EnodeUnavailable(operation, cause=f"HTTP {status}", sent=True)
    if status < ERROR:
        return EnodeProtocolError(operation, fault=f"HTTP {status}, a redirection")
    if status == UNAUTHORIZED:
        return EnodeCredentialsRefused(operation, status=status)
    if status == TOO_MANY:
        return EnodeRateLimited(operation, retry_after=answer.retry_after)
    return PROBLEMS.get(status, EnodeRefused)(operation, problem=answer.problem)
