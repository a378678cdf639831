"""One relay as four processes on one database, each of which can be killed at any time and started again."""

import os
import secrets
import signal
import subprocess
from pathlib import Path

import httpx

from tests.e2e.processes import BIN, create_environment, find_free_port, run_evconduit, wait_until

SERVERS = ("serve 0", "serve 1")
WORKERS = ("work 0", "work 1")
POSTGRES = "postgres"


class Cluster:
    """`serve --no-worker` twice and `work` twice, on an embedded PostgreSQL. They log to one file."""

    def __init__(self, folder: Path, enode_url: str) -> None:
        self.folder, self.log = folder, folder / "relay.log"
        self.ports = dict(zip(SERVERS, (find_free_port(), find_free_port()), strict=True))
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports.values()]
        self.secret = secrets.token_hex(32)
        self.environment = create_environment(folder) | {
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
        self._processes: dict[str, subprocess.Popen] = {}

    def start_all(self) -> None:
        """Start the first server alone, as it creates the database; then the others."""
        self.start(SERVERS[0])
        self.wait_until_ready(SERVERS[0])
        for name in (SERVERS[1], *WORKERS):
            self.start(name)
        self.wait_until_ready(SERVERS[1])

    def start(self, name: str) -> None:
        """Start or restart a process. PostgreSQL is restarted by the processes that need it."""
        if name == POSTGRES:
            return
        command, _, _number = name.partition(" ")
        options = ["--no-worker"] if command == "serve" else []
        port = {"EVCONDUIT_PORT": str(self.ports[name])} if name in self.ports else {}
        with self.log.open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [str(BIN / "evconduit"), command, *options], env=self.environment | port, stdout=log, stderr=log
            )

    def wait_until_ready(self, name: str) -> None:
        url = f"http://127.0.0.1:{self.ports[name]}/api/health/ready"

        def is_ready() -> bool:
            assert self._processes[name].poll() is None, self.log.read_text()[-2000:]
            return httpx.get(url, timeout=5).status_code == 200

        wait_until(is_ready)

    def kill(self, name: str) -> None:
        """Kill a process with SIGKILL."""
        if name == POSTGRES:
            pid_files = list((self.folder / "data").rglob("postmaster.pid"))
            if pid_files:  # otherwise it is not running
                os.kill(int(pid_files[0].read_text().split()[0]), signal.SIGKILL)
            return
        self._processes[name].kill()
        self._processes[name].wait()

    def run(self, *arguments: str) -> str:
        """Run an `evconduit` command and return its output."""
        return run_evconduit(self.environment, *arguments)

    def stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(30)
