"""Deliveries to the webhook, as the relay sends them."""

import json
from http import HTTPStatus
from typing import Any

from aiohttp.test_utils import TestClient
from homeassistant.const import CONF_WEBHOOK_ID
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import sign_headers


def create_delivery(*messages: tuple[str, str | None, Any]) -> bytes:
    items = [{"event": event, "id": cursor, "data": data} for event, cursor, data in messages]
    return json.dumps({"type": "changes", "cursor": items[-1]["id"], "messages": items}).encode()


class Post:
    """Sends POSTs to the entry's webhook."""

    def __init__(self, client: TestClient, entry: MockConfigEntry) -> None:
        self._client = client
        self.path = f"/api/webhook/{entry.data[CONF_WEBHOOK_ID]}"

    async def __call__(self, body: bytes, headers: dict[str, str] | None = None, *, id_: str = "msg_1") -> Any:
        """Send a delivery. Return the acknowledged id, or the status."""
        headers = sign_headers(body, at=dt_util.utcnow().timestamp(), message_id=id_) if headers is None else headers
        async with self._client.post(self.path, data=body, headers=headers) as response:
            return (await response.json())["ack"] if response.status == HTTPStatus.OK else response.status
