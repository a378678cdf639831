"""Parser for server-sent events that arrive in chunks of any size (WHATWG HTML, section 9.2)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_EVENT_SIZE: Final = 512 * 1024
"""Bytes, of an event by default, and of a line of the relay, which sends at most 256 KiB in one line."""
MAX_MESSAGE_SIZE: Final = 8 * 1024 * 1024
"""Bytes, of an event of the relay, as in a webhook. A snapshot of hundreds of cars is one event of many lines."""

_BOM: Final = b"\xef\xbb\xbf"


class EventTooLongError(ValueError):
    """An event exceeds the maximum size."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerSentEvent:
    """One event. `id` is the last id received so far, as the standard defines it: what to resume after."""

    event: str
    data: str
    id: str | None


class EventParser:
    """Incremental parser. Never buffers more than about `max_size` bytes, or `max_line_size` of a line."""

    def __init__(self, max_size: int = MAX_EVENT_SIZE, max_line_size: int | None = None) -> None:
        self._max_size = max_size
        self._max_line_size = max_size if max_line_size is None else max_line_size
        self._buffer = bytearray()
        self._at_start = True
        self._after_cr = False
        self._event = ""
        self._data: list[str] = []
        self._size = 0
        self._id: str | None = None

    def feed(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """Yield the events that `chunk` completes. Raises EventTooLongError."""
        for line in self._split_lines(chunk):
            if line:
                self._parse_line(line)
                continue
            if self._data:
                yield ServerSentEvent(event=self._event or "message", data="\n".join(self._data), id=self._id)
            self._event, self._data, self._size = "", [], 0

    def _split_lines(self, chunk: bytes) -> Iterator[bytes]:
        """Yield complete lines, ended by CR, LF or CR LF. An incomplete line stays in the buffer."""
        if self._after_cr and chunk:
            # CR LF is a single line end, even if split over two chunks.
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        pieces = chunk.splitlines(keepends=True)  # for bytes this splits at \n, \r and \r\n only
        for piece in pieces:
            self._buffer += piece
            if not piece.endswith((b"\n", b"\r")):
                break
            line = bytes(self._buffer.rstrip(b"\r\n"))
            self._buffer.clear()
            if self._at_start:
                self._at_start = False
                line = line.removeprefix(_BOM)
            yield line
        self._after_cr = chunk.endswith(b"\r") or (self._after_cr and not chunk)
        self._check_size(len(self._buffer))

    def _parse_line(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode(errors="replace")
        match name:
            case b"event":
                self._event = text
            case b"data":
                self._check_size(len(value) + 1)
                self._size += len(value) + 1
                self._data.append(text)
            case b"id" if "\0" not in text:
                self._id = text or None
            case _:
                pass  # comments, `retry` (this client has its own backoff), and fields that the standard may add

    def _check_size(self, line_size: int) -> None:
        """Check the size of the current event with one more line. Raises EventTooLongError."""
        if line_size > self._max_line_size:
            raise EventTooLongError(f"more than {self._max_line_size} bytes")
        if self._size + line_size > self._max_size:
            raise EventTooLongError(f"more than {self._max_size} bytes")
