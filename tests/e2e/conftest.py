"""The relay and the simulated Enode as separate processes, as users run them."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest

pytest.register_assert_rewrite("tests.e2e.chaos.checks")

BIN = Path(sys.executable).parent
TIMEOUT_SECONDS = 40


def pytest_addoption(parser):
    parser.addoption("--chaos-events", type=int, default=500, help="number of vehicle changes in test_chaos.py")
    parser.addoption("--chaos-seed", type=int, default=None, help="repeat a run of test_chaos.py; each prints its seed")


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_until(condition, *, seconds=TIMEOUT_SECONDS):
    """Poll `condition` and return its first truthy result. Connection errors count as not yet true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if result := condition():
                return result
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{condition} was not true within {seconds} s")


class SimulatedEnode:
    """The simulator's control API and link page."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=10)

    def get_vehicles(self) -> dict[str, dict]:
        """Enode's vehicle objects by id."""
        return {row["vehicle"]["id"]: row["vehicle"] for row in self.http.get("/_sim/vehicles").json()}

    def change_vehicle(self, vehicle_id: str, **change) -> None:
        self.http.post(f"/_sim/vehicles/{vehicle_id}", json=change).raise_for_status()

    def link(self, url: str, vendor: str) -> str:
        """Complete the relay's link page and Enode's as a user would; return where the browser is redirected."""
        with httpx.Client(timeout=10) as browser:
            url = browser.post(url).headers["location"]
            browser.post(url, data={"step": "brand", "vendor": vendor})
            browser.post(url, data={"step": "consent"})
            page = browser.get(url).text
            vehicle_ids = [part.split('"')[0] for part in page.split('name="car" value="')[1:]]
            return browser.post(url, data={"step": "sign_in", "car": vehicle_ids}).headers["location"]

    def list_delivered_events(self) -> list[dict]:
        """Every event that was answered 2xx, in canonical form."""
        rows = self.http.get("/_sim/deliveries").json()
        return [event for row in rows if row["state"] == "delivered" for event in row["events"]]

    def count_pending_deliveries(self) -> int:
        return sum(row["state"] == "pending" for row in self.http.get("/_sim/deliveries").json())

    def count_webhooks(self) -> int:
        return self.http.get("/_sim/health").json()["webhooks"]


class Relay:
    """A relay with one user and one API key."""

    def __init__(self, folder: Path, enode: SimulatedEnode, *, webhook: bool) -> None:
        self.port = find_free_port()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10)
        self.log = folder / "relay.log"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "EVCONDUIT_DATA": str(folder / "data"),
            "EVCONDUIT_PORT": str(self.port),
            "ENODE_CLIENT_ID": "client",
            "ENODE_CLIENT_SECRET": "client-secret",
            "ENODE_BASE_URL": enode.url,
            "ENODE_AUTH_URL": f"{enode.url}/oauth2/token",
            "ENODE_WEBHOOK_SECRET": secrets.token_hex(32),
        }
        if webhook:
            self.environment["WEBHOOK_URL"] = f"http://127.0.0.1:{self.port}/api/webhook/enode"
        self.user = self.run("user", "add", "driver@example.org")
        self.key = self.run("key", "create", "--user", self.user)
        self.http.headers["Authorization"] = f"Bearer {self.key}"

    def run(self, *arguments: str) -> str:
        """Run an `evconduit` command and return its output."""
        command = [str(BIN / "evconduit"), *arguments]
        completed = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True, timeout=60
        )
        return completed.stdout.strip()

    def start_process(self, *command: str, **environment: str) -> subprocess.Popen:
        """Start another process of this relay, which logs to the same file."""
        with self.log.open("ab") as log:
            return subprocess.Popen([str(BIN / "evconduit"), *command], env=self.environment | environment, stderr=log)

    def start(self, *options: str) -> None:
        self.process = self.start_process("serve", *options)
        wait_until(lambda: self.http.get("/api/health/ready").status_code == 200)

    def stop(self, signal_number: int = signal.SIGTERM) -> None:
        self.process.send_signal(signal_number)
        self.process.wait(20)

    def list_vehicles(self) -> list[dict]:
        return self.http.get("/api/ha/v2/vehicles").json()["vehicles"]

    def stream_messages(self, last_event_id: str | None = None) -> Iterator[tuple[str, str, dict]]:
        """Yield messages as (event, id, data) until the stream ends."""
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        with self.http.stream("GET", "/api/ha/v2/stream", headers=headers, timeout=TIMEOUT_SECONDS) as response:
            assert response.status_code == 200
            message: dict[str, str] = {}
            for line in response.iter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    message[name] = message.get(name, "") + value
                elif message.get("event"):
                    yield message["event"], message.get("id", ""), json.loads(message["data"])
                    message = {}


@contextmanager
def run_simulator(*options: str, log: int | IO[bytes] | None = None) -> Iterator[SimulatedEnode]:
    """Run a simulator with these options in a separate process."""
    port = find_free_port()
    command = [sys.executable, "-m", "demo.enode", "--port", str(port), *options]
    client = ("--client-id", "client", "--client-secret", "client-secret")
    process = subprocess.Popen([*command, *client], stdout=log, stderr=log)
    simulator = SimulatedEnode(port)
    try:
        wait_until(lambda: simulator.http.get("/_sim/health").status_code == 200)
        yield simulator
    finally:
        simulator.http.close()
        process.terminate()
        process.wait(10)


@pytest.fixture
def enode():
    with run_simulator("--speed", "300") as simulator:
        yield simulator


@pytest.fixture
def start_relay(tmp_path, enode):
    """A function that starts a relay with options of `serve`."""
    started: list[Relay] = []

    def start(*options: str, webhook: bool = True) -> Relay:
        relay = Relay(tmp_path, enode, webhook=webhook)
        started.append(relay)
        relay.start(*options)
        return relay

    yield start
    for relay in started:
        relay.http.close()
        relay.stop()
