"""What the person sees: a line a step, with its seconds."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

WIDTH = 62


class Console:
    """Writes to a terminal or a file. A terminal that went away must not keep us from stopping what we started."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()

    def print_line(self, text: str = "") -> None:
        """Write a line, or several."""
        self._write(f"{text}\n")

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Tell that a step begins (on a terminal), and how it ended and how long it took."""
        started = time.monotonic()
        if self._is_terminal:
            self._write(f"  … {what}\r")
        try:
            yield
        except asyncio.CancelledError:
            self._print_step_end(what, "-", started)
            raise
        except BaseException:
            self._print_step_end(what, "✗", started)
            raise
        self._print_step_end(what, "✓", started)

    def _print_step_end(self, what: str, mark: str, started: float) -> None:
        self.print_line(f"  {mark} {what:<{WIDTH}} {time.monotonic() - started:6.1f} s")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # EIO of a closed terminal, EPIPE of `| head`, a closed file
            self._out.write(text)
            self._out.flush()
