"""Calls to Enode's API: build and authenticate the request, retry it, and translate its status into our errors."""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from relay.gateways.enode.access_token import TokenCache
from relay.gateways.enode.errors import (
    EnodeCredentialsRefused,
    EnodeError,
    EnodeForbidden,
    EnodeNotFound,
    EnodeProblem,
    EnodeProblemError,
    EnodeProtocolError,
    EnodeRateLimited,
    EnodeRefused,
    EnodeUnavailable,
)
from relay.gateways.enode.http_request import (
    CLIENT_ERROR,
    REDIRECTION,
    NoResponse,
    RequestResult,
    Response,
    send_request,
)
from relay.gateways.enode.json_fields import parse_json, require_object, require_objects
from relay.gateways.enode.retry import TOO_MANY_REQUESTS, RetryingTransport, RetryMode
from relay.kit.json_object import JsonObject

logger = logging.getLogger(__name__)

API_VERSION = "2024-10-01"
UNAUTHORIZED = 401
NOT_FOUND = 404
MAX_ID_LENGTH = 1024
ERRORS_BY_STATUS: Mapping[int, type[EnodeProblemError]] = {403: EnodeForbidden, NOT_FOUND: EnodeNotFound}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """A request before authentication. Each `{}` of `route` takes one of `ids`, which may be untrusted strings."""

    method: str
    route: str
    ids: tuple[str, ...] = field(default=(), repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Mapping[str, Any] | Sequence[Any] | None = field(default=None, repr=False)
    retry_mode: RetryMode = RetryMode.ALWAYS
    accepted_statuses: frozenset[int] = frozenset()
    """Statuses besides 2xx that are returned rather than raised."""
    is_authenticated: bool = True

    @property
    def operation(self) -> str:
        """Method and route without the ids, for error texts and logs."""
        return f"{self.method} {self.route}"

    @property
    def path(self) -> str:
        """The route with its ids percent-encoded. Raises EnodeNotFound for an id that a path can't hold."""
        return self.route.format(*(self._quote_segment(value) for value in self.ids))

    def _quote_segment(self, value: str) -> str:
        # Empty segments and dot segments would change the route, and percent-encoding does not prevent that.
        if value not in {"", ".", ".."} and len(value) <= MAX_ID_LENGTH:
            try:
                return quote(value, safe="")
            except UnicodeEncodeError:  # a lone surrogate
                pass
        raise EnodeNotFound(self.operation, problem=EnodeProblem(status=NOT_FOUND, title="No such id"))


class EnodeApi:
    """Sends calls to Enode. Every method raises EnodeError and nothing else."""

    def __init__(self, transport: RetryingTransport, *, base_url: str, tokens: TokenCache, max_body_bytes: int) -> None:
        self._transport = transport
        self._base_url = base_url.rstrip("/")
        self._tokens = tokens
        self._max_body_bytes = max_body_bytes

    async def send(self, call: ApiCall) -> Response:
        """Send `call` and return its response, whose status is 2xx or one of `call.accepted_statuses`."""
        state = _CallState(path=call.path, deadline=self._transport.get_deadline())
        try:
            async with asyncio.timeout(self._transport.policy.call_timeout.total_seconds()):
                result = await self._send_authenticated(call, state)
        except TimeoutError:
            raise EnodeUnavailable(
                call.operation, cause="no answer in time", is_outcome_unknown=state.is_outcome_unknown
            ) from None
        if isinstance(result, NoResponse):
            raise EnodeUnavailable(call.operation, cause=result.cause, is_outcome_unknown=state.is_outcome_unknown)
        if error := find_api_error(result, call):
            raise error
        return result

    async def get_object(self, call: ApiCall) -> JsonObject:
        """Send `call` and return the JSON object in its response."""
        response = await self.send(call)
        return require_object(parse_json(response.body, call.operation), call.operation)

    async def get_objects(self, call: ApiCall) -> tuple[JsonObject, ...]:
        """Send `call` and return the JSON array of objects in its response."""
        response = await self.send(call)
        return require_objects(parse_json(response.body, call.operation), call.operation)

    async def _send_authenticated(self, call: ApiCall, state: _CallState) -> RequestResult:
        if not call.is_authenticated:
            return await self._send_with_retries(call, state, {})
        token = await self._tokens.get()
        result = await self._send_with_retries(call, state, build_bearer_header(token))
        if isinstance(result, Response) and result.status == UNAUTHORIZED:
            # A token can be revoked early, for example by a new client secret. After a 401 Enode has not acted, so
            # one retry with a new token is safe.
            token = await self._tokens.replace(token)
            result = await self._send_with_retries(call, state, build_bearer_header(token))
        return result

    async def _send_with_retries(
        self, call: ApiCall, state: _CallState, authorization: dict[str, str]
    ) -> RequestResult:
        headers = {"Enode-Version": API_VERSION, "Accept": "application/json"} | authorization
        content = None
        if call.body is not None:
            content = json.dumps(call.body, allow_nan=False).encode()
            headers["Content-Type"] = "application/json"

        async def send_once() -> RequestResult:
            request = self._transport.http.build_request(
                call.method, self._base_url + state.path, params=call.query or None, headers=headers, content=content
            )
            return await self._send_once(request, call.operation, state)

        return await self._transport.send_with_retries(send_once, retry_mode=call.retry_mode, deadline=state.deadline)

    async def _send_once(self, request: httpx.Request, operation: str, state: _CallState) -> RequestResult:
        state.is_in_flight = True
        result = await send_request(
            self._transport.http,
            request,
            operation=operation,
            clock=self._transport.clock,
            max_body_bytes=self._max_body_bytes,
        )
        state.is_in_flight = False
        state.may_have_acted |= result.may_have_acted
        logger.debug("Enode request sent operation=%r result=%r", operation, describe_result(result))
        return result


@dataclass(slots=True, kw_only=True)
class _CallState:
    """The progress of a call, from which follows whether Enode may have acted on it."""

    path: str = field(repr=False)
    deadline: float
    is_in_flight: bool = False
    may_have_acted: bool = False

    @property
    def is_outcome_unknown(self) -> bool:
        return self.is_in_flight or self.may_have_acted


def build_bearer_header(token: str) -> dict[str, str]:
    """Build the Authorization header."""
    return {"Authorization": f"Bearer {token}"}


def describe_result(result: RequestResult) -> str:
    """Describe `result` for a log: the status, or why there is no response."""
    return result.cause if isinstance(result, NoResponse) else f"HTTP {result.status}"


def find_api_error(response: Response, call: ApiCall) -> EnodeError | None:
    """Return the error that the response's status stands for, None for success or an accepted status."""
    status, operation = response.status, call.operation
    if status < REDIRECTION or status in call.accepted_statuses:
        return None
    if response.is_transient:
        return EnodeUnavailable(operation, cause=f"HTTP {status}", is_outcome_unknown=True)
    if status < CLIENT_ERROR:
        return EnodeProtocolError(operation, fault=f"HTTP {status}, a redirection")
    if status == UNAUTHORIZED:
        return EnodeCredentialsRefused(operation, status=status)
    if status == TOO_MANY_REQUESTS:
        return EnodeRateLimited(operation, retry_after=response.retry_after)
    return ERRORS_BY_STATUS.get(status, EnodeRefused)(operation, problem=response.problem)
