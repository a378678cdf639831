"""What the relay says while it runs: one line an event on stderr, ids only, never a secret, a VIN or a place."""

import logging
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import override


def get_error_location(error: BaseException) -> str:
    """File and line of ours where `error` happened: a traceback that cannot quote data."""
    frames = []
    at = error.__traceback__
    while at is not None:
        frames.append(f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}")
        at = at.tb_next
    ours = [it for it in frames if "site-packages" not in it] or frames
    return ours[-1].rpartition("/")[2] if ours else "nowhere"


type ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class RedactingFormatter(logging.Formatter):
    """Tells of an exception where it happened and its kind: its text may quote a row, an answer, an address."""

    @override
    def formatException(self, ei: ExcInfo) -> str:
        return "" if ei[1] is None else "\n".join(_format_exception_chain(ei[1]))


def _format_exception_chain(error: BaseException, depth: int = 0) -> Iterator[str]:
    """The exception, what it came of, and those that it gathers. No chain that makes sense is longer than ten."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for it in (before, *(error.exceptions if isinstance(error, BaseExceptionGroup) else ())):
        if it is not None and depth < _MAX_CHAIN_DEPTH:
            yield from _format_exception_chain(it, depth + 1)
    yield from (line.rstrip("\n") for line in traceback.format_tb(error.__traceback__))
    yield type(error).__name__


_MAX_CHAIN_DEPTH = 10


def configure_logging(level: str) -> None:
    """Send our log lines to stderr; libraries speak only when something is wrong."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("relay").setLevel(level.upper())
    # httpx logs whole addresses, procrastinate whole job arguments, at info; both would be noise and ids of cars.
    for chatty in ("httpx", "httpcore", "procrastinate", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # One outage is a dozen warnings of its; ours say the same once.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
