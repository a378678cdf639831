"""Bodies that are POSTed to the integration's endpoint, and the response that acknowledges one."""

import json
from collections.abc import Iterable, Sequence
from typing import Literal

from relay.feed.cursor import Cursor
from relay.feed.messages import Message
from relay.kit.json_object import JsonObject


def render_changes_body(end_cursor: Cursor, messages: Iterable[tuple[Message, Cursor]]) -> bytes:
    """Render messages as on the stream, each with its cursor; they lead up to `end_cursor`."""
    items = [{"event": message.event, "id": str(cursor), "data": message.body()} for message, cursor in messages]
    return _render_body("changes", end_cursor, items)


def render_test_body() -> bytes:
    """Render a body without messages, which only tests whether it is acknowledged."""
    return _render_body("test", None, [])


def _render_body(kind: Literal["changes", "test"], cursor: Cursor | None, messages: Sequence[JsonObject]) -> bytes:
    return encode_json({"type": kind, "cursor": None if cursor is None else str(cursor), "messages": messages})


def is_acknowledged(response: bytes, message_id: str) -> bool:
    """Whether the integration received the message. Status 200 alone is no proof: any Home Assistant webhook has it."""
    try:
        content = json.loads(response)
    except ValueError, RecursionError:
        return False
    return isinstance(content, dict) and content.get("ack") == message_id


def encode_json(content: JsonObject) -> bytes:
    """Encode as compact JSON."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
