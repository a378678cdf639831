"""Logging of the relay: one line per event on stderr. Lines hold ids only, never a secret, a VIN or a position."""

import copy
import logging
import re
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import override

from relay.kit.database import find_database_error, is_connection_failure


def get_error_location(error: BaseException) -> str:
    """Return file and line of the innermost frame of this project: a traceback in short that can't quote data."""
    frames = []
    traceback_entry = error.__traceback__
    while traceback_entry is not None:
        frames.append(f"{traceback_entry.tb_frame.f_code.co_filename}:{traceback_entry.tb_lineno}")
        traceback_entry = traceback_entry.tb_next
    own_frames = [frame for frame in frames if "site-packages" not in frame] or frames
    return own_frames[-1].rpartition("/")[2] if own_frames else "unknown"


_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters of terminals, and what programs take for the end of a line."""
_MAX_CHAIN_DEPTH = 10
"""A bound against endless chains; no useful one is longer."""

type ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class RedactingFormatter(logging.Formatter):
    """Formats an exception as its type and location only: its message may quote a row, a response or an address."""

    @override
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Format the time with its offset from UTC, so that lines of machines in different zones can be compared."""
        return datetime.fromtimestamp(record.created, UTC).astimezone().isoformat(timespec="milliseconds")

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        """Format the line without its traceback. Text from outside can neither begin a line nor control a terminal."""
        return _CONTROL_CHARACTERS.sub(_escape_character, super().formatMessage(record))

    @override
    def format(self, record: logging.LogRecord) -> str:
        """Format a record; one whose exception is only a lost database is one line, whichever library logs it."""
        error = record.exc_info[1] if record.exc_info else None
        database_error = find_database_error(error) if error is not None else None
        if database_error is None or not is_connection_failure(database_error):
            return super().format(record)
        line = copy.copy(record)
        line.exc_info = line.exc_text = None
        first_line = record.getMessage().partition("\n")[0]
        line.msg, line.args = f"{first_line} error={type(database_error).__name__}", None
        return super().format(line)

    @override
    def formatException(self, ei: ExcInfo) -> str:
        return "" if ei[1] is None else "\n".join(_format_exception_chain(ei[1]))


def _escape_character(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def _format_exception_chain(error: BaseException, depth: int = 0) -> Iterator[str]:
    """The lines of the exception, after those of its cause and of the members of a group."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for related in (cause, *(error.exceptions if isinstance(error, BaseExceptionGroup) else ())):
        if related is not None and depth < _MAX_CHAIN_DEPTH:
            yield from _format_exception_chain(related, depth + 1)
    yield from (line.rstrip("\n") for line in traceback.format_tb(error.__traceback__))
    yield type(error).__name__


def configure_logging(level: str) -> None:
    """Log to stderr: the relay from `level` on, libraries from warning on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("relay").setLevel(level.upper())
    # At info, httpx logs complete URLs and procrastinate job arguments: noise, and ids of vehicles.
    for name in ("httpx", "httpcore", "procrastinate", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # The pool logs a dozen warnings per outage, and the relay logs its own.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
