"""Render messages as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import json
from collections.abc import Iterator, Sequence

from relay.feed.cursor import Cursor
from relay.feed.messages import FeedChanges, Message
from relay.kit.json_object import JsonObject

HEARTBEAT = b":\n\n"
"""A comment, which keeps an idle connection open."""
MAX_LINE_BYTES = 256 * 1024
"""Length limit of one `data:` line in bytes. The reader in Home Assistant gives up at twice that."""

type RenderedEvents = Sequence[tuple[int, bytes]]
"""Rendered messages with their sequence numbers, in order."""


def render_event(message: Message, cursor: Cursor | None) -> bytes:
    """Render the message as one event; `cursor`, if any, becomes its `id:`, from which a client resumes."""
    head = f"event: {message.event}\n" + (f"id: {cursor}\n" if cursor else "")
    return head.encode() + b"".join(b"data: %s\n" % line for line in render_data_lines(message.body())) + b"\n"


def render_changes(changes: FeedChanges) -> RenderedEvents:
    """Render each message of `changes` as an event."""
    return [(message.seq, render_event(message, cursor)) for message, cursor in changes.pair_with_cursors()]


def render_data_lines(body: JsonObject, max_bytes: int = MAX_LINE_BYTES) -> Iterator[bytes]:
    """Render JSON as lines of at most `max_bytes`; only a single string longer than that stays in one line.

    A reader joins the lines with a line feed, which is harmless where JSON allows white space. The text is all ASCII,
    because some readers take U+2028 or U+0085 for an end of line.
    """
    text = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    if len(text) <= max_bytes:
        yield text
        return
    line = b""
    # With an indent every token begins a line, and line feeds within strings are escaped.
    for token in json.dumps(body, separators=(",", ":"), allow_nan=False, indent=0).encode().split(b"\n"):
        if line and len(line) + len(token) > max_bytes:
            yield line
            line = b""
        line += token
    yield line
