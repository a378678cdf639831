"""What the relay says while it runs: one line an event on stderr, ids only, never a secret, a VIN or a place."""

import logging
import sys


def place(error: BaseException) -> str:
    """File and line of ours where `error` happened: a traceback that cannot quote data."""
    frames = []
    at = error.__traceback__
    while at is not None:
        frames.append(f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}")
        at = at.tb_next
    ours = [it for it in frames if "site-packages" not in it] or frames
    return ours[-1].rpartition("/")[2] if ours else "nowhere"


def configure_logs(level: str) -> None:
    """Send our log lines to stderr; libraries speak only when something is wrong."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", force=True
    )
    logging.getLogger("relay").setLevel(level.upper())
    # httpx logs whole addresses, procrastinate whole job arguments, at info; both would be noise and ids of cars.
    for chatty in ("httpx", "httpcore", "procrastinate", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # One outage is a dozen warnings of its; ours say the same once.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
