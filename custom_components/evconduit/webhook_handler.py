"""Handler of the webhook: verifies the signature, and acknowledges a delivery only after it is applied."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Final

from aiohttp.web import Request, Response, json_response
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .client import MalformedError, SignatureError, WebhookDelivery, verify_signature

MAX_BODY_SIZE: Final = 8 * 1024 * 1024
"""In bytes. Hundreds of vehicles with a day of transitions are smaller."""
MAX_REMEMBERED_IDS: Final = 256
"""Number of accepted message ids. More than a relay resends within the signature's tolerance of five minutes."""

_CHUNK: Final = 64 * 1024


class WebhookHandler:
    """Handles the POSTs of the relay."""

    def __init__(self, apply_delivery: Callable[[WebhookDelivery], bool]) -> None:
        """Pass each new delivery to `apply_delivery`, which returns whether to acknowledge it."""
        self._apply_delivery = apply_delivery
        self._seen_ids: OrderedDict[str, None] = OrderedDict()
        self.secret: str | None = None
        self.accepted_count = 0
        self.rejected_count = 0
        self.last_accepted_at: datetime | None = None

    async def async_handle(self, _hass: HomeAssistant, _webhook_id: str, request: Request) -> Response:
        """Handle a POST. Never raises, because Home Assistant would then answer 200."""
        body = await _read_body(request)
        if body is None:
            return self._reject(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            message_id = verify_signature(self.secret or "", request.headers, body, now=dt_util.utcnow().timestamp())
        except SignatureError:
            return self._reject(HTTPStatus.UNAUTHORIZED)
        if message_id not in self._seen_ids:
            try:
                delivery = WebhookDelivery.parse(body)
            except MalformedError:
                return self._reject(HTTPStatus.BAD_REQUEST)
            if not self._apply_delivery(delivery):
                return Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
            self._remember_id(message_id)
        return json_response({"ack": message_id})

    def _remember_id(self, message_id: str) -> None:
        self.accepted_count += 1
        self.last_accepted_at = dt_util.utcnow()
        self._seen_ids[message_id] = None
        if len(self._seen_ids) > MAX_REMEMBERED_IDS:
            self._seen_ids.popitem(last=False)

    def _reject(self, status: HTTPStatus) -> Response:
        self.rejected_count += 1
        return Response(status=status)


async def _read_body(request: Request) -> bytes | None:
    """Read the body in chunks, the only way that a request through the cloud supports. None if it is too large."""
    body = bytearray()
    content = request.content
    while chunk := await content.read(_CHUNK):
        body += chunk
        if len(body) > MAX_BODY_SIZE:
            return None
    return bytes(body)
