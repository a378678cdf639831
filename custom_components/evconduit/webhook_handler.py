"""What the relay POSTs to our webhook: believed only when signed, acknowledged only when taken."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Final

from aiohttp.web import Request, Response, json_response
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .client import Delivery, MalformedError, SignatureError, verify

LARGEST: Final = 8 * 1024 * 1024
"""Bytes. Some hundreds of cars and a day of their transitions are less."""
REMEMBERED: Final = 256
"""Ids of messages that we took; more than any relay sends again within the signature's five minutes."""

_CHUNK: Final = 64 * 1024


class WebhookHandler:
    """Takes POSTs. `take` applies a delivery, and says whether all of it is known now."""

    def __init__(self, take: Callable[[Delivery], bool]) -> None:
        self._take = take
        self._seen: OrderedDict[str, None] = OrderedDict()
        self.secret: str | None = None
        self.taken = 0
        self.refused = 0
        self.last_at: datetime | None = None

    async def async_handle(self, _hass: HomeAssistant, _webhook_id: str, request: Request) -> Response:
        """Answer a POST. Never raises: Home Assistant would answer 200 for us."""
        body = await _read(request)
        if body is None:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            message_id = verify(self.secret or "", request.headers, body, now=dt_util.utcnow().timestamp())
        except SignatureError:
            return self._refuse(HTTPStatus.UNAUTHORIZED)
        if message_id not in self._seen:
            try:
                delivery = Delivery.parse(body)
            except MalformedError:
                return self._refuse(HTTPStatus.BAD_REQUEST)
            if not self._take(delivery):
                return Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
            self._remember(message_id)
        return json_response({"ack": message_id})

    def _remember(self, message_id: str) -> None:
        self.taken += 1
        self.last_at = dt_util.utcnow()
        self._seen[message_id] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def _refuse(self, status: HTTPStatus) -> Response:
        self.refused += 1
        return Response(status=status)


async def _read(request: Request) -> bytes | None:
    """The body; None when it is too large. By parts: a request that came through the cloud knows nothing else."""
    body = bytearray()
    content = request.content
    while chunk := await content.read(_CHUNK):
        body += chunk
        if len(body) > LARGEST:
            return None
    return bytes(body)
