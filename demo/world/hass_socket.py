"""A client of Home Assistant's WebSocket API: commands and event subscriptions."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from demo.world.errors import ComponentError
from demo.world.hass_api import HassApi, Json

ANSWER_SECONDS = 20


class HassRefusedError(Exception):
    """Home Assistant answered a command with an error."""

    def __init__(self, error: Json) -> None:
        super().__init__(error.get("message"))
        self.code: str = error.get("code", "")
        self.translation_domain: str | None = error.get("translation_domain")
        self.translation_key: str | None = error.get("translation_key")
        self.translation_placeholders: dict[str, str] = error.get("translation_placeholders") or {}


class HassSocket:
    """An open, authenticated connection. It does not survive a restart of Home Assistant."""

    def __init__(self, connection: ClientWebSocketResponse) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Json]] = {}
        self._listeners: dict[int, Callable[[Json], None]] = {}

    async def call(self, command: str, **fields: Any) -> Json:
        """Send a command and return its result. Raises HassRefusedError, or ComponentError without an answer."""
        return await self._send_and_wait(next(self._ids), {"type": command, **fields})

    async def subscribe(self, listener: Callable[[Json], None], command: str, **fields: Any) -> None:
        """Send a subscribing command. `listener` is called with each of its events."""
        message_id = next(self._ids)
        self._listeners[message_id] = listener
        await self._send_and_wait(message_id, {"type": command, **fields})

    async def _send_and_wait(self, message_id: int, message: Json) -> Json:
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._answers[message_id] = answer
        try:
            await self._connection.send_json({"id": message_id, **message})
            async with asyncio.timeout(ANSWER_SECONDS):
                reply = await answer
        except (TimeoutError, ConnectionError) as error:
            raise ComponentError(f"Home Assistant didn't answer {message['type']} ({error})") from None
        finally:
            del self._answers[message_id]
        if not reply["success"]:
            raise HassRefusedError(reply["error"])
        return reply["result"]

    async def dispatch_messages(self) -> None:
        """Dispatch incoming messages until the connection ends."""
        async for message in self._connection:
            if message.type is not WSMsgType.TEXT:
                break
            content = message.json()
            if content["type"] == "event":
                self._listeners[content["id"]](content["event"])
            elif content["id"] in self._answers:
                self._answers[content["id"]].set_result(content)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError("connection closed"))


@asynccontextmanager
async def open_socket(session: ClientSession, hass: HassApi) -> AsyncIterator[HassSocket]:
    """Connect and authenticate as the user that `hass` is signed in as."""
    async with session.ws_connect(f"{hass.url}/api/websocket", max_msg_size=0) as connection:
        await connection.receive_json()  # auth_required
        await connection.send_json({"type": "auth", "access_token": hass.tokens["access_token"]})
        greeting = await connection.receive_json()
        if greeting["type"] != "auth_ok":
            raise ComponentError(f"Home Assistant refused the WebSocket: {greeting.get('message')}")
        socket = HassSocket(connection)
        reader = asyncio.create_task(socket.dispatch_messages())
        try:
            yield socket
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
