"""Console output: one line for each step, with its duration."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

WIDTH = 62


class Console:
    """Writes to a terminal or a file. Ignores write errors: a closed terminal must not prevent a clean stop."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()

    def print_line(self, text: str = "") -> None:
        """Write one or more lines."""
        self._write(f"{text}\n")

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print the step's start (terminals only), then its result and duration."""
        started = time.monotonic()
        if self._is_terminal:
            self._write(f"  … {title}\r")
        try:
            yield
        except asyncio.CancelledError:
            self._print_step_end(title, "-", started)
            raise
        except BaseException:
            self._print_step_end(title, "✗", started)
            raise
        self._print_step_end(title, "✓", started)

    def _print_step_end(self, title: str, mark: str, started: float) -> None:
        self.print_line(f"  {mark} {title:<{WIDTH}} {time.monotonic() - started:6.1f} s")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # EIO: closed terminal, EPIPE: `| head`, ValueError: closed file
            self._out.write(text)
            self._out.flush()
