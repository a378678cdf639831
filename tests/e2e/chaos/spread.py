"""One relay as four processes on one database, each of which may be killed at any time and is then started again."""

import os
import secrets
import signal
import subprocess
from pathlib import Path

import httpx

from tests.e2e.conftest import BIN, free_port, until

SERVES = ("serve 0", "serve 1")
WORKS = ("work 0", "work 1")
POSTGRES = "postgres"


class Spread:
    """`serve --no-worker` twice and `work` twice, on an embedded PostgreSQL. Their logs are one file."""

    def __init__(self, folder: Path, enode_url: str) -> None:
        self.folder, self.log = folder, folder / "relay.log"
        self.ports = dict(zip(SERVES, (free_port(), free_port()), strict=True))
        self.urls = [f"http://127.0.0.1:{it}" for it in self.ports.values()]
        self.secret = secrets.token_hex(32)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "EVCONDUIT_DATA": str(folder / "data"),
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
        self._running: dict[str, subprocess.Popen] = {}

    def start_all(self) -> None:
        """The first alone, as it makes the database; then the others."""
        self.start(SERVES[0])
        self.wait_until_ready(SERVES[0])
        for name in (SERVES[1], *WORKS):
            self.start(name)
        self.wait_until_ready(SERVES[1])

    def start(self, name: str) -> None:
        """Start a process (again). PostgreSQL is started by those who need it."""
        if name == POSTGRES:
            return
        what, _, _number = name.partition(" ")
        options = ["--no-worker"] if what == "serve" else []
        port = {"EVCONDUIT_PORT": str(self.ports[name])} if name in self.ports else {}
        with self.log.open("ab") as log:
            self._running[name] = subprocess.Popen(
                [str(BIN / "evconduit"), what, *options], env=self.environment | port, stdout=log, stderr=log
            )

    def wait_until_ready(self, name: str) -> None:
        url = f"http://127.0.0.1:{self.ports[name]}/api/health/ready"

        def is_ready() -> bool:
            assert self._running[name].poll() is None, self.log.read_text()[-2000:]
            return httpx.get(url, timeout=5).status_code == 200

        until(is_ready)

    def kill(self, name: str) -> None:
        """SIGKILL."""
        if name == POSTGRES:
            notes = list((self.folder / "data").rglob("postmaster.pid"))
            if notes:  # else it is dead already
                os.kill(int(notes[0].read_text().split()[0]), signal.SIGKILL)
            return
        self._running[name].kill()
        self._running[name].wait()

    def run(self, *arguments: str) -> str:
        """One of evconduit's commands beside them; what it prints."""
        command = [str(BIN / "evconduit"), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip()

    def stop(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait(30)
