"""The `evconduit` command as an operator uses it, in a process of its own or in this one."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from relay.cli import main

EVCONDUIT = str(Path(sys.executable).with_name("evconduit"))
HANDLED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CommandLine:
    """Runs `evconduit` processes with a data folder and an environment of their own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "EVCONDUIT_DATA": str(folder / "data")}
        self.environment |= environment

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command until it ends."""
        return subprocess.run(
            [EVCONDUIT, *arguments],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            input=stdin,
            timeout=60,
            check=False,
        )

    def run_checked(self, *arguments: str) -> str:
        """Run a command, which must succeed, and return what it printed."""
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def serve(self, port: int) -> subprocess.Popen[str]:
        """Start a relay on this port."""
        return subprocess.Popen(
            [EVCONDUIT, "serve", "--port", str(port)], env=self.environment, stderr=subprocess.PIPE, text=True
        )


class CommandLineInThisProcess(CommandLine):
    """Runs commands through the same entry point, without the time that a process takes to start."""

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command until it ends. It sees only its own arguments, environment and standard streams."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        with pytest.MonkeyPatch.context() as patch, _restored_signal_handlers():
            for name in set(os.environ) - set(self.environment | environment):
                patch.delenv(name)
            for name, value in (self.environment | environment).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["evconduit", *arguments])
            for name, stream in (("stdin", io.StringIO(stdin)), ("stdout", out), ("stderr", err)):
                patch.setattr(sys, name, stream)
            try:
                main()
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else int(end.code is not None)
            else:
                status = 0
        printed, notes = (stream.buffer.getvalue().decode() for stream in (out, err))
        return subprocess.CompletedProcess(arguments, status, printed, notes)


@contextmanager
def _restored_signal_handlers() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in HANDLED_SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
