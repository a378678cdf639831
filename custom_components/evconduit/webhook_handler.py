"""Handler of the webhook: verifies the signature, and acknowledges a delivery only after it is applied."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from aiohttp.web import Request, Response, json_response
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .client import (
    MalformedError,
    RelayClock,
    SignatureError,
    TimestampError,
    WebhookDelivery,
    get_timestamp,
    verify_signature,
)
from .clock_issue import is_significant

MAX_BODY_SIZE: Final = 8 * 1024 * 1024
"""In bytes. Hundreds of vehicles with a day of transitions are smaller."""
MAX_REMEMBERED_IDS: Final = 256
"""Number of accepted message ids. More than a relay resends within the signature's tolerance of five minutes."""

_CHUNK: Final = 64 * 1024


class WebhookHandler:
    """Handles the POSTs of the relay."""

    def __init__(self, apply_delivery: Callable[[WebhookDelivery], bool], clock: RelayClock) -> None:
        """Pass each new delivery to `apply_delivery`, which returns whether to acknowledge it.

        `clock` is corrected when the local clock differs from the time of a signature.
        """
        self._apply_delivery = apply_delivery
        self._clock = clock
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
            message_id = self._verify_signature(request.headers, body)
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

    def _verify_signature(self, headers: Mapping[str, str], body: bytes) -> str:
        """Verify the signature and its time, by the relay's clock if the local one is wrong. Return the message's id.

        Raises SignatureError.
        """
        now = dt_util.utcnow()
        try:
            message_id = verify_signature(self.secret or "", headers, body, now=now.timestamp())
        except TimestampError as err:
            self._report_difference(now, err.timestamp)
            return verify_signature(self.secret or "", headers, body, now=self._clock.now().timestamp())
        self._report_difference(now, get_timestamp(headers))
        return message_id

    def _report_difference(self, now: datetime, timestamp: int) -> None:
        difference = now - datetime.fromtimestamp(timestamp, UTC)
        if is_significant(difference):  # a small one may be the time that the request took
            self._clock.set_difference(difference)

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
