"""Helpers for tests with several processes: ports, waiting, and `evconduit` commands."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

BIN = Path(sys.executable).parent
TIMEOUT_SECONDS = 90


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_until(condition, *, seconds=TIMEOUT_SECONDS, missing=None):
    """Poll `condition` and return its first truthy result. Connection errors count as not yet true.

    `missing` says what has not happened by then: a text, or a function that returns one.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if result := condition():
                return result
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    description = missing() if callable(missing) else missing or f"{condition} to be true"
    raise AssertionError(f"still missing after {seconds} s: {description}")


def create_environment(folder: Path) -> dict[str, str]:
    """The environment variables of a relay whose data is in `folder`."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "EVCONDUIT_DATA": str(folder / "data")}


def run_evconduit(environment: dict[str, str], *arguments: str) -> str:
    """Run an `evconduit` command and return its output."""
    command = [str(BIN / "evconduit"), *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=110
    ).stdout.strip()
