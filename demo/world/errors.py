"""Errors that the demo prints as messages, without a traceback."""

from pathlib import Path

TAIL_LINES = 15


class UserFixableError(Exception):
    """An error that the user can fix, described in one line. The demo exits with status 2."""


class ComponentError(Exception):
    """A component failed. Printed with the last lines of its log. The demo exits with status 1."""

    def __init__(self, what: str, *, log: Path | None = None) -> None:
        super().__init__(what)
        self.log = log

    def describe(self) -> str:
        """Return the message and, if there is a log, its last lines."""
        if self.log is None:
            return str(self)
        return f"{self}\n{read_log_tail(self.log)}"


def read_log_tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a log, indented, after a line with its path."""
    try:
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    except OSError:
        last = []
    return "\n".join([f"  last lines of {log}:", *(f"    {line}" for line in last or ["(empty)"])])
