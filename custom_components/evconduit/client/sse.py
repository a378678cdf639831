"""Server-sent events from bytes that come in pieces of any size (WHATWG HTML, section 9.2)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LONGEST_EVENT: Final = 512 * 1024
"""Bytes. The relay sends at most 256 KiB in one line."""

_BOM: Final = b"\xef\xbb\xbf"


class EventTooLongError(ValueError):
    """More bytes than any event of ours has, and still no end of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerSentEvent:
    """One event. `id` is the last one seen so far, as the standard has it: what to resume from."""

    event: str
    data: str
    id: str | None


class EventParser:
    """Takes bytes, gives events. Never holds more than about LONGEST_EVENT bytes."""

    def __init__(self, longest: int = LONGEST_EVENT) -> None:
        self._longest = longest
        self._rest = bytearray()
        self._at_start = True
        self._after_cr = False
        self._event = ""
        self._data: list[str] = []
        self._size = 0
        self._id: str | None = None

    def feed(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """The events that these bytes complete. Raises EventTooLongError."""
        for line in self._lines(chunk):
            if line:
                self._take(line)
                continue
            if self._data:
                yield ServerSentEvent(event=self._event or "message", data="\n".join(self._data), id=self._id)
            self._event, self._data, self._size = "", [], 0

    def _lines(self, chunk: bytes) -> Iterator[bytes]:
        """Whole lines, whichever of the three ends they have. What has no end yet waits for the next chunk."""
        if self._after_cr and chunk:
            # CR LF is one end of line even when it comes in two pieces.
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        pieces = chunk.splitlines(keepends=True)  # bytes split at \n, \r and \r\n only
        for piece in pieces:
            self._rest += piece
            if not piece.endswith((b"\n", b"\r")):
                break
            line = bytes(self._rest.rstrip(b"\r\n"))
            self._rest.clear()
            if self._at_start:
                self._at_start = False
                line = line.removeprefix(_BOM)
            yield line
        self._after_cr = chunk.endswith(b"\r") or (self._after_cr and not chunk)
        if self._size + len(self._rest) > self._longest:
            raise EventTooLongError(f"more than {self._longest} bytes")

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode(errors="replace")
        match name:
            case b"event":
                self._event = text
            case b"data":
                self._size += len(value) + 1
                if self._size > self._longest:
                    raise EventTooLongError(f"more than {self._longest} bytes")
                self._data.append(text)
            case b"id" if "\0" not in text:
                self._id = text or None
            case _:
                pass  # comments, `retry` (we have a pace of our own), and what the standard may add
