"""One relay as four processes on one database and one Redis, each of which can be killed and started again."""

import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import cached_property
from pathlib import Path

import httpx
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from relay.kit import unprivileged
from tests.e2e.chaos.fake_clock import FAKETIME, FakeClock
from tests.e2e.chaos.small_disk import SmallDisk
from tests.e2e.processes import BIN, create_environment, find_free_port, wait_until
from tests.relay.support.redis_server import REDIS as REDIS_PROGRAM
from tests.relay.support.redis_server import RedisServer

SERVERS = ("serve 0", "serve 1")
WORKERS = ("work 0", "work 1")
POSTGRES = "postgres"
DISK_BYTES = 320 * 1024 * 1024
"""A new cluster and its write-ahead log need about 120 MB."""


class Cluster:
    """`serve --no-worker` twice and `work` twice, on an embedded PostgreSQL. They log to one file.

    The data is on a small disk (`disk`, None where the machine forbids that). `clock` and `redis` are None where their
    programs are not installed; wake-ups then go through PostgreSQL.
    """

    def __init__(self, folder: Path, enode_url: str) -> None:
        self.folder, self.log = folder, folder / "relay.log"
        # A short path, because those of sockets are limited.
        self._data = Path(tempfile.mkdtemp(prefix="evc-chaos-"))
        self.clock = FakeClock(folder) if FAKETIME else None
        self.disk = create_disk(self._data)
        self.has_fake_clock = False
        self.redis = RedisServer(folder) if REDIS_PROGRAM else None
        self.ports = dict(zip(SERVERS, (find_free_port(), find_free_port()), strict=True))
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports.values()]
        self.secret = secrets.token_hex(32)
        self.environment = create_environment(folder) | {
            "EVCONDUIT_DATA": str(self._data),
            "EVCONDUIT_PUBLIC_URL": self.urls[0],
            "EVCONDUIT_OUTBOUND_ALLOW": "127.0.0.1",
            "EVCONDUIT_POOL_SIZE": "4",
            "ENODE_CLIENT_ID": "client",
            "ENODE_CLIENT_SECRET": "client-secret",
            "ENODE_BASE_URL": enode_url,
            "ENODE_AUTH_URL": f"{enode_url}/oauth2/token",
            "ENODE_WEBHOOK_SECRET": self.secret,
            "WEBHOOK_URL": f"{self.urls[0]}/api/webhook/enode",
        }
        if self.redis is not None:
            self.environment["REDIS_URL"] = self.redis.url
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start_all(self) -> None:
        """Start the first server alone, as it creates the database; then the others."""
        if self.redis is not None:
            self.redis.start()
        self.start(SERVERS[0])
        self.wait_until_ready(SERVERS[0])
        for name in (SERVERS[1], *WORKERS):
            self.start(name)
        self.wait_until_ready(SERVERS[1])

    def restart_all(self) -> None:
        """Kill and start the relay's four processes, with the present environment and clock."""
        for name in (*SERVERS, *WORKERS):
            self.kill(name)
            self.start(name)
        for name in SERVERS:
            self.wait_until_ready(name)

    def start(self, name: str) -> None:
        """Start or restart a process. PostgreSQL is restarted by the processes that need it."""
        if name == POSTGRES:
            return
        command, _, _number = name.partition(" ")
        options = ["--no-worker"] if command == "serve" else []
        port = {"EVCONDUIT_PORT": str(self.ports[name])} if name in self.ports else {}
        with self.log.open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._build_command(command, *options),
                env=self.environment | port | self._clock_environment,
                stdout=log,
                stderr=log,
            )

    def wait_until_ready(self, name: str) -> None:
        url = f"http://127.0.0.1:{self.ports[name]}/api/health/ready"

        def is_ready() -> bool:
            assert self._processes[name].poll() is None, self.log.read_text()[-2000:]
            return httpx.get(url, timeout=5).status_code == 200

        wait_until(is_ready, missing=f"200 of {name} at /api/health/ready")

    def kill(self, name: str) -> None:
        """Kill a process with SIGKILL."""
        if name == POSTGRES:
            if self._pid_file.exists():  # otherwise it is not running
                os.kill(int(self._pid_file.read_text().split()[0]), signal.SIGKILL)
            return
        self._processes[name].kill()
        self._processes[name].wait()

    def use_fake_clock(self) -> None:
        """Restart PostgreSQL and all processes with the fake clock, which is right as long as nobody sets it."""
        for name in (*SERVERS, *WORKERS):
            self.kill(name)
        command = shlex.split((self._server_folder / "postmaster.opts").read_text())
        os.kill(int(self._pid_file.read_text().split()[0]), signal.SIGINT)  # a fast shutdown
        wait_until(lambda: not self._pid_file.exists(), missing="the end of PostgreSQL")
        self.has_fake_clock = True
        wrapper = [sys.executable, "-I", unprivileged.__file__] if os.geteuid() == 0 else []
        with self.log.open("ab") as log:
            self._processes[POSTGRES] = subprocess.Popen(
                [*self._prefix, *wrapper, *command],
                env={"LC_ALL": "C", "TZ": "UTC", **self._clock_environment},
                stdout=log,
                stderr=log,
            )
        wait_until(self._accepts_connections, missing="connections to the PostgreSQL with the fake clock")
        self.restart_all()

    def run(self, *arguments: str) -> str:
        """Run an `evconduit` command and return its output."""
        command = self._build_command(*arguments)
        completed = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True, timeout=110
        )
        return completed.stdout.strip()

    @cached_property
    def database_url(self) -> str:
        """The owner's connection string."""
        url = self.run("database", "url", "--owner")
        socket_folder = Path(conninfo_to_dict(url)["host"])
        if self.disk is not None and socket_folder.is_relative_to(self._data):
            socket_folder = self.disk.find_outside(socket_folder)
        return make_conninfo(url, host=str(socket_folder))

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.database_url, autocommit=True)

    def read_logs(self) -> dict[str, str]:
        """All logs by file name."""
        paths = [*self.folder.rglob("*.log"), *self._server_folder.parent.rglob("*.log")]
        return {path.name: path.read_text(errors="replace") for path in paths}

    def stop(self) -> None:
        server = self._processes.pop(POSTGRES, None)
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(30)
        if server is not None:  # the relay's last process has ended it
            server.wait(30)
        if self.redis is not None:
            self.redis.stop()
        if self.disk is not None:
            self.disk.close()
        if self.clock is not None:
            self.clock.close()
        shutil.rmtree(self._data, ignore_errors=True)

    @property
    def _server_folder(self) -> Path:
        folder = self._data / "postgres" / "data"
        return folder if self.disk is None else self.disk.find_outside(folder)

    @property
    def _pid_file(self) -> Path:
        return self._server_folder / "postmaster.pid"

    @property
    def _prefix(self) -> list[str]:
        return [] if self.disk is None else self.disk.prefix

    @property
    def _clock_environment(self) -> dict[str, str]:
        return self.clock.environment if self.clock is not None and self.has_fake_clock else {}

    def _build_command(self, *arguments: str) -> list[str]:
        return [*self._prefix, str(BIN / "evconduit"), *arguments]

    def _accepts_connections(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


def create_disk(folder: Path) -> SmallDisk | None:
    """Mount a small disk on the folder; None where the machine forbids it."""
    try:
        return SmallDisk(folder, DISK_BYTES)
    except OSError:
        return None
