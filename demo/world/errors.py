"""How the demo fails: always in words, never in a traceback."""

from pathlib import Path

TAIL_LINES = 15


class UserFixableError(Exception):
    """Something that the person can mend, told in one line. The demo exits with status 2."""


class ComponentError(Exception):
    """A part of the world failed. Told with the last lines of its log. The demo exits with status 1."""

    def __init__(self, what: str, *, log: Path | None = None) -> None:
        super().__init__(what)
        self.log = log

    def describe(self) -> str:
        """What happened and, where there is a log, its end."""
        if self.log is None:
            return str(self)
        return f"{self}\n{read_log_tail(self.log)}"


def read_log_tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, indented, under its name."""
    try:
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    except OSError:
        last = []
    return "\n".join([f"  the end of {log}:", *(f"    {line}" for line in last or ["(nothing)"])])
