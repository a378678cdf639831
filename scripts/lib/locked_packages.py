"""Run uv on the packages of uv.lock."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scripts.lib.child_processes import ROOT


class UvMissingError(Exception):
    """No uv was found: neither scripts/lib/setup.sh's own nor one on PATH."""


def find_uv() -> str:
    """Return the uv that the setup installed, else the first one on PATH that runs here."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for candidate in (str(cache / "evconduit/uv/bin/uv"), "uv"):
        try:
            subprocess.run([candidate, "--version"], cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - uv
        except OSError, subprocess.CalledProcessError:
            continue
        return candidate
    raise UvMissingError("uv was not found; install it, or delete .venv and run scripts/lint, which downloads it")


def run_uv(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run uv in the repository's root and return its output. uv.lock is never changed."""
    # One attempt, so that a machine without internet access fails at once.
    environment = {**os.environ, "UV_HTTP_RETRIES": "0"}
    return subprocess.run(  # noqa: S603 - uv with arguments of our own commands
        [find_uv(), *arguments, "--frozen"], cwd=ROOT, check=False, capture_output=True, text=True, env=environment
    )
