import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Final

from aiohttp import ClientResponse, ClientSession, ClientTimeout
from yarl import URL

from .certificate import TlsCheck
from .clock import RelayClock
from .endpoint import Endpoint
from .energy import EnergyHourPage
from .errors import NotFoundError, UnauthorizedError, UnsupportedRelayError
from .json_reader import JsonObject, JsonReader, MalformedError
from .link_page import LinkPage, LinkResult
from .location import HomeLocation
from .models import Account, Command, CommandKind, Snapshot
from .responses import RELAY_HEADER, parse_json_object, raise_for_problem, translate_errors

CONNECT_SECONDS: Final = 10
DEFAULT_TIMEOUT: Final = ClientTimeout(total=20, connect=CONNECT_SECONDS)
# The relay calls Enode, and Enode calls the vendor, before the relay answers.
COMMAND_TIMEOUT: Final = ClientTimeout(total=60, connect=CONNECT_SECONDS)
# The stream has no end, but the relay sends at least a comment every 15 s.
STREAM_TIMEOUT: Final = ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=40)

HOURS_PER_PAGE: Final = 2000
"""Two years of charging each day for three hours, in some 300 KB."""

STREAM_HEADERS: Final = {
    "Accept": "text/event-stream",
    "Accept-Encoding": "identity",  # a proxy that compresses would delay messages
    "Cache-Control": "no-cache",
}


USER_PATH: Final = ("..", "..", "user")
"""From the routes of API v2 to those of the account."""


class RelayClient:
    """API v2 of an EVConduit relay.

    Every method raises only the errors of errors.py. "Costs one call" refers to the account's allowance.
    """

    def __init__(
        self,
        session: ClientSession,
        url: str,
        get_token: Callable[[], Awaitable[str]],
        renew_token: Callable[[str], Awaitable[bool]] | None = None,
        *,
        tls_check: TlsCheck = True,
    ) -> None:
        """Use a session and a credential that the caller provides.

        `get_token` is called before each request and may raise a RelayError. `renew_token` is called with a token that
        the relay refused. If it returns True, `get_token` is called again and the request is repeated once. `tls_check`
        is applied to every connection.
        """
        self.clock = RelayClock()
        self._session = session
        self._base_url = URL(url) / "api" / "ha" / "v2"
        self._get_token = get_token
        self._renew_token = renew_token
        self._tls_check = tls_check

    async def get_account(self) -> Account:
        """Get the account of the credential. Costs no call."""
        with translate_errors():
            return Account.parse(await self._get_v2("account"))

    async def get_snapshot(self, position: str | None = None, transitions_after: str | None = None) -> Snapshot:
        """Get all vehicles, in the form of the stream's snapshot. Costs one call.

        The snapshot has a `gap` if the relay's feed doesn't reach `position`. It has the transitions after the cursor
        `transitions_after`, none without one.
        """
        query = {"transitions_after": transitions_after} if transitions_after else None
        with translate_errors():
            return Snapshot.parse(await self._get_v2("vehicles", _create_resume_header(position), query))

    async def get_vehicle_id(self, any_id: str) -> str:
        """Get the relay's id of the vehicle that has, or had, this id of Enode's. Costs no call.

        Raises NotFoundError, also for a vehicle over the plan's limit.
        """
        with translate_errors():
            return (await self._request_json("GET", "vehicles", any_id)).require_str("id")

    async def send_charging_command(self, vehicle_id: str, kind: CommandKind, *, idempotency_key: str) -> Command:
        """Start or stop charging. Returns when the command is sent, before its outcome is known. Costs one call.

        Repeating the call with the same `idempotency_key` doesn't send a second command, so a RelayConnectionError can
        be retried.
        """
        with translate_errors():
            body = await self._request_json(
                "POST",
                "vehicles",
                vehicle_id,
                "charging",
                timeout=COMMAND_TIMEOUT,
                headers={"Idempotency-Key": idempotency_key},
                json={"action": kind.value},
            )
            return Command.parse(body)

    async def get_command(self, command_id: str) -> Command:
        """Get the state of a command. Costs no call."""
        with translate_errors():
            return Command.parse(await self._request_json("GET", "commands", command_id))

    async def refresh_vehicle(self, vehicle_id: str) -> None:
        """Request new data from the vendor; it arrives by stream. Raises TryAgainError if it was requested just now."""
        with translate_errors():
            await self._request_json("POST", "vehicles", vehicle_id, "refresh", timeout=COMMAND_TIMEOUT)

    async def create_relink_page(self, vehicle_id: str) -> LinkPage:
        """Create a single-use page where the user signs in with the vendor to link the vehicle again. Costs no call.

        Raises NotBrokenError if the link works.
        """
        with translate_errors():
            body = await self._request_json("POST", "vehicles", vehicle_id, "relink", timeout=COMMAND_TIMEOUT)
            return LinkPage.parse(body)

    async def create_link_page(self, vendor: str | None = None) -> LinkPage:
        """Create a single-use page where the user links vehicles, of `vendor` or of any. Costs no call.

        Raises VehicleLimitError if the plan has no room for another vehicle.
        """
        with translate_errors():
            body: JsonObject = {"vendor": vendor} if vendor else {}
            return LinkPage.parse(
                await self._request_json("POST", *USER_PATH, "link-vehicle", timeout=COMMAND_TIMEOUT, json=body)
            )

    async def get_link_result(self, link_id: str) -> LinkResult:
        """Get the result of a link page. Costs no call. The relay processes vehicles that were linked meanwhile."""
        with translate_errors():
            body: JsonObject = {"link_id": link_id}
            return LinkResult.parse(
                await self._request_json("POST", *USER_PATH, "link-result", timeout=COMMAND_TIMEOUT, json=body)
            )

    async def get_home(self) -> HomeLocation | None:
        """Get the account's home location, None if it has none. Costs no call."""
        with translate_errors():
            try:
                return HomeLocation.parse(await self._request_json("GET", "home"))
            except NotFoundError:
                return None

    async def set_home(self, home: HomeLocation) -> None:
        """Set the account's home location. Costs no call."""
        with translate_errors():
            await self._request_json("PUT", "home", json=home.as_json())

    async def delete_home(self) -> None:
        """Delete the account's home location. Raises NotFoundError if it has none. Costs no call."""
        with translate_errors():
            await self._request_json("DELETE", "home")

    async def set_electricity_rate(self, cost_per_kwh: float, currency: str) -> None:
        """Set the price of a kWh that is charged from now on. Costs no call."""
        with translate_errors():
            body: JsonObject = {"cost_per_kwh": cost_per_kwh, "currency": currency}
            await self._request_json("PUT", "electricity-rate", json=body)

    async def delete_electricity_rate(self) -> None:
        """End the current rate: what is charged from now on has no known price. Costs no call."""
        with translate_errors():
            await self._request_json("DELETE", "electricity-rate")

    async def get_energy_hours(
        self, vehicle_id: str, *, since: str | None = None, from_: str | None = None
    ) -> EnergyHourPage:
        """Get energy by hour: from an hour, or from the first one that has changed since a cursor. Costs no call.

        `from_` is the `next_from` of the page before.
        """
        ranges = {"since": since, "from": from_}
        params = {"limit": str(HOURS_PER_PAGE), **{name: value for name, value in ranges.items() if value is not None}}
        with translate_errors():
            body = await self._request_json("GET", "vehicles", vehicle_id, "energy-hours", query=params)
            return EnergyHourPage.parse(body)

    async def set_language(self, language: str) -> Account:
        """Set the language of interventions, as a language tag. Costs no call."""
        with translate_errors():
            return Account.parse(await self._request_json("PATCH", "account", json={"language": language}))

    async def register_endpoint(self, url: str) -> Endpoint:
        """Register where the relay POSTs to while the stream is down, and enable it if it was off. Costs no call.

        The returned endpoint has a secret. Raises EndpointRefusedError and PlanRequiredError.
        """
        with translate_errors():
            endpoint = Endpoint.parse(await self._request_json("PUT", "endpoint", json={"url": url}))
            if endpoint.secret is None:
                raise MalformedError("secret")
            return endpoint

    async def get_endpoint(self) -> Endpoint:
        """Get the endpoint of this credential. Raises NotFoundError if it has none."""
        with translate_errors():
            return Endpoint.parse(await self._request_json("GET", "endpoint"))

    async def delete_endpoint(self) -> None:
        """Delete the endpoint of this credential. Raises NotFoundError if it has none."""
        with translate_errors():
            await self._request_json("DELETE", "endpoint")

    async def test_endpoint(self) -> str | None:
        """Send a test message to the endpoint. Return the class of failure, None if it was delivered. Costs no call."""
        with translate_errors():
            result = await self._request_json("POST", "endpoint", "test", timeout=COMMAND_TIMEOUT)
            return None if result.get_bool("delivered") else result.get_str("failure") or "unknown"

    async def open_stream(self, last_event_id: str | None) -> AsyncGenerator[bytes]:
        """Open the event stream and yield its bytes until the relay closes it. Costs no call."""
        headers = STREAM_HEADERS | _create_resume_header(last_event_id)
        with translate_errors():
            async with self._request("GET", "stream", timeout=STREAM_TIMEOUT, headers=headers) as response:
                await _raise_for_v2_problem(response)
                if response.content_type != "text/event-stream":
                    raise UnsupportedRelayError("the response is not an event stream")
                async for chunk in response.content.iter_any():
                    yield chunk

    async def request_json(
        self,
        method: str,
        *path: str,
        timeout: ClientTimeout | None = None,  # noqa: ASYNC109 - passed to aiohttp
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        json: JsonObject | None = None,
    ) -> JsonReader:
        """Send a request to a route below `/api/ha/v2`, and return the JSON of its response, empty if it has none."""
        with translate_errors():
            return await self._request_json(method, *path, timeout=timeout, headers=headers, query=query, json=json)

    async def _get_v2(
        self, path: str, headers: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None
    ) -> JsonReader:
        async with self._request("GET", path, headers=headers, query=query) as response:
            await _raise_for_v2_problem(response)
            return parse_json_object(await response.read())

    async def _request_json(
        self,
        method: str,
        *path: str,
        timeout: ClientTimeout | None = None,  # noqa: ASYNC109 - passed to aiohttp
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        json: JsonObject | None = None,
    ) -> JsonReader:
        async with self._request(method, *path, timeout=timeout, headers=headers, query=query, json=json) as response:
            await raise_for_problem(response)
            if response.status == HTTPStatus.NO_CONTENT:
                return JsonReader(None)
            return parse_json_object(await response.read())

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        *path: str,
        timeout: ClientTimeout | None = None,  # noqa: ASYNC109 - as above
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        json: JsonObject | None = None,
    ) -> AsyncIterator[ClientResponse]:
        async with AsyncExitStack() as stack:

            async def send(credential: str) -> ClientResponse:
                requested_at = time.monotonic()
                response = await stack.enter_async_context(
                    self._session.request(
                        method,
                        self._base_url.joinpath(*path),
                        headers={**(headers or {}), "Authorization": f"Bearer {credential}"},
                        params=query,
                        json=json,
                        timeout=timeout or DEFAULT_TIMEOUT,
                        ssl=self._tls_check,
                        allow_redirects=False,  # the credential must not be sent to another server
                    )
                )
                if RELAY_HEADER in response.headers:
                    self.clock.measure(response.headers.get("Date"), requested_at=requested_at)
                return response

            credential = await self._get_credential()
            response = await send(credential)
            if self._renew_token and _is_credential_refused(response) and await self._renew_token(credential):
                response = await send(await self._get_credential())
            yield response

    async def _get_credential(self) -> str:
        token = await self._get_token()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise UnauthorizedError("malformed credential")  # could not be sent in a header either
        return token


def _create_resume_header(position: str | None) -> dict[str, str]:
    return {"Last-Event-ID": position} if position else {}


def _is_credential_refused(response: ClientResponse) -> bool:
    """Return whether the relay itself, and not a gateway before it, refused the credential."""
    return response.status == HTTPStatus.UNAUTHORIZED and RELAY_HEADER in response.headers


async def _raise_for_v2_problem(response: ClientResponse) -> None:
    """Raise for a problem, for routes that every relay with API v2 has."""
    try:
        await raise_for_problem(response)
    except NotFoundError as err:
        raise UnsupportedRelayError("a relay without API v2") from err
