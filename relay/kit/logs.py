"""What the relay says while it runs: one line an event on stderr, ids only, never a secret, a VIN or a place."""

import logging
import sys


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
