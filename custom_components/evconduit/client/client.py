from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Final

from aiohttp import ClientResponse, ClientSession, ClientTimeout
from yarl import URL

from .answers import RELAY_HEADER, check, json_of, translated
from .endpoint import Endpoint
from .errors import NotFoundError, UnauthorizedError, UnsupportedRelayError
from .fields import Fields, JsonObject, MalformedError
from .models import Account, Command, CommandKind, Snapshot

CONNECT_SECONDS: Final = 10
QUICK: Final = ClientTimeout(total=20, connect=CONNECT_SECONDS)
# The relay asks Enode, and Enode the car's maker, before it answers.
COMMAND: Final = ClientTimeout(total=60, connect=CONNECT_SECONDS)
# Without end, but never silent: the relay sends at least a comment every 15 s.
STREAM: Final = ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=40)

STREAM_HEADERS: Final = {
    "Accept": "text/event-stream",
    "Accept-Encoding": "identity",  # a compressing proxy would hold messages back
    "Cache-Control": "no-cache",
}


class RelayClient:
    """What an EVConduit relay can be asked (its API v2).

    The session is the caller's, and so is the credential: `token` is asked before each request, and may raise a
    RelayError. Every method raises only what errors.py draws.
    """

    def __init__(
        self,
        session: ClientSession,
        url: str,
        token: Callable[[], Awaitable[str]],
        renew: Callable[[str], Awaitable[bool]] | None = None,
    ) -> None:
        """`renew` is told of a credential that the relay refused, and says whether `token` has another one now."""
        self._session = session
        self._root = URL(url) / "api" / "ha" / "v2"
        self._token = token
        self._renew = renew

    async def account(self) -> Account:
        """Whose credential this is. Costs no call."""
        with translated():
            return Account.parse(await self._ask_v2("account"))

    async def vehicles(self) -> Snapshot:
        """All cars, as the stream's snapshot. Costs one call."""
        with translated():
            return Snapshot.parse(await self._ask_v2("vehicles"))

    async def charge(self, vehicle_id: str, kind: CommandKind, *, idempotency_key: str) -> Command:
        """Ask a car to start or stop charging; the command is on its way when this returns. Costs one call.

        The same key again is the same command again: the way to ask once more after a RelayConnectionError.
        """
        with translated():
            body = await self._ask(
                "POST",
                "vehicles",
                vehicle_id,
                "charging",
                timeout=COMMAND,
                headers={"Idempotency-Key": idempotency_key},
                json={"action": kind.value},
            )
            return Command.parse(body)

    async def command(self, command_id: str) -> Command:
        """How far a command got. Costs no call."""
        with translated():
            return Command.parse(await self._ask("GET", "commands", command_id))

    async def refresh(self, vehicle_id: str) -> None:
        """Have the car's maker asked for news; they come by themselves. Raises TryAgainError when just asked."""
        with translated():
            await self._ask("POST", "vehicles", vehicle_id, "refresh", timeout=COMMAND)

    async def relink(self, vehicle_id: str) -> str:
        """The address of a page where a person signs in with the car's maker again; good once. Costs no call.

        Raises NotBrokenError when there is nothing to link again.
        """
        with translated():
            page = (await self._ask("POST", "vehicles", vehicle_id, "relink", timeout=COMMAND)).needed_text("url")
            if not page.startswith(("https://", "http://")):
                raise MalformedError("url")  # it goes into a person's browser
            return page

    async def set_language(self, language: str) -> Account:
        """Choose in which language interventions are told, by its tag. Costs no call."""
        with translated():
            return Account.parse(await self._ask("PATCH", "account", json={"language": language}))

    async def register_endpoint(self, url: str) -> Endpoint:
        """Have the relay POST there while there is no stream; switches it on again if it was off. Costs no call.

        Raises EndpointRefusedError, and PlanRequiredError.
        """
        with translated():
            endpoint = Endpoint.parse(await self._ask("PUT", "endpoint", json={"url": url}))
            if endpoint.secret is None:
                raise MalformedError("secret")
            return endpoint

    async def endpoint(self) -> Endpoint:
        """How it goes with the endpoint of this credential. Raises NotFoundError when it has none."""
        with translated():
            return Endpoint.parse(await self._ask("GET", "endpoint"))

    async def remove_endpoint(self) -> None:
        """Have nothing POSTed any more. Raises NotFoundError when nothing was."""
        with translated():
            await self._ask("DELETE", "endpoint")

    async def stream(self, last_event_id: str | None) -> AsyncGenerator[bytes]:
        """The bytes of the event stream as they come, until the relay ends it. Costs no call."""
        headers = STREAM_HEADERS | ({"Last-Event-ID": last_event_id} if last_event_id else {})
        with translated():
            async with self._answer("GET", "stream", timeout=STREAM, headers=headers) as response:
                await _check_v2(response)
                if response.content_type != "text/event-stream":
                    raise UnsupportedRelayError("the stream is no event stream")
                async for chunk in response.content.iter_any():
                    yield chunk

    async def _ask_v2(self, path: str) -> Fields:
        async with self._answer("GET", path) as response:
            await _check_v2(response)
            return json_of(await response.read())

    async def _ask(
        self,
        method: str,
        *path: str,
        timeout: ClientTimeout | None = None,  # noqa: ASYNC109 - aiohttp's, handed on to it
        headers: Mapping[str, str] | None = None,
        json: JsonObject | None = None,
    ) -> Fields:
        async with self._answer(method, *path, timeout=timeout, headers=headers, json=json) as response:
            await check(response)
            return Fields(None) if response.status == HTTPStatus.NO_CONTENT else json_of(await response.read())

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        *path: str,
        timeout: ClientTimeout | None = None,  # noqa: ASYNC109 - as above
        headers: Mapping[str, str] | None = None,
        json: JsonObject | None = None,
    ) -> AsyncIterator[ClientResponse]:
        async with AsyncExitStack() as stack:

            async def ask(credential: str) -> ClientResponse:
                return await stack.enter_async_context(
                    self._session.request(
                        method,
                        self._root.joinpath(*path),
                        headers={**(headers or {}), "Authorization": f"Bearer {credential}"},
                        json=json,
                        timeout=timeout or QUICK,
                        allow_redirects=False,  # the credential is for the address that the user gave, and for no other
                    )
                )

            credential = await self._credential()
            response = await ask(credential)
            if _is_refusal(response) and self._renew is not None and await self._renew(credential):
                response = await ask(await self._credential())
            yield response

    async def _credential(self) -> str:
        token = await self._token()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise UnauthorizedError("no credential looks like this")  # nor could it be sent in a header
        return token


def _is_refusal(response: ClientResponse) -> bool:
    """Whether the relay itself, and nothing before it, does not know the credential."""
    return response.status == HTTPStatus.UNAUTHORIZED and RELAY_HEADER in response.headers


async def _check_v2(response: ClientResponse) -> None:
    """As `check`, for addresses that every relay with a v2 has."""
    try:
        await check(response)
    except NotFoundError as err:
        raise UnsupportedRelayError("a relay without v2") from err
