"""The relay and the simulated Enode as processes of their own, as they run for people."""

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
PATIENCE = 40


def pytest_addoption(parser):
    parser.addoption("--chaos-events", type=int, default=500, help="changes of cars that test_chaos.py makes")
    parser.addoption("--chaos-seed", type=int, default=None, help="repeat a chaos; each run prints its own")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def until(what, *, seconds=PATIENCE):
    """The first truthy thing that `what` returns; what it may raise meanwhile is that nobody answers yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := what():
                return found
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"nothing came of {what} in {seconds} s")


class Enode:
    """The simulator, and its control surface."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=10)

    def cars(self) -> dict[str, dict]:
        return {row["vehicle"]["id"]: row["vehicle"] for row in self.http.get("/_sim/vehicles").json()}

    def tell(self, car: str, **what) -> None:
        self.http.post(f"/_sim/vehicles/{car}", json=what).raise_for_status()

    def link(self, url: str, vendor: str) -> str:
        """Go through the relay's link page and Enode's as a person would, and return where the browser is sent."""
        with httpx.Client(timeout=10) as browser:
            url = browser.post(url).headers["location"]
            browser.post(url, data={"step": "brand", "vendor": vendor})
            browser.post(url, data={"step": "consent"})
            page = browser.get(url).text
            cars = [part.split('"')[0] for part in page.split('name="car" value="')[1:]]
            return browser.post(url, data={"step": "sign_in", "car": cars}).headers["location"]

    def delivered(self) -> list[dict]:
        """Every event that was answered 2xx, in canonical form."""
        rows = self.http.get("/_sim/deliveries").json()
        return [event for row in rows if row["state"] == "delivered" for event in row["events"]]

    def pending(self) -> int:
        return sum(row["state"] == "pending" for row in self.http.get("/_sim/deliveries").json())


class Relay:
    """The relay, one user and one key."""

    def __init__(self, folder: Path, enode: Enode, *, webhook: bool) -> None:
        self.port = free_port()
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
        command = [str(BIN / "evconduit"), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip()

    def spawn(self, *command: str, **environment: str) -> subprocess.Popen:
        """Another process of the same relay; its log goes where all of it goes."""
        with self.log.open("ab") as log:
            return subprocess.Popen([str(BIN / "evconduit"), *command], env=self.environment | environment, stderr=log)

    def start(self, *options: str) -> None:
        self.process = self.spawn("serve", *options)
        until(lambda: self.http.get("/api/health/ready").status_code == 200)

    def end(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(20)

    def vehicles(self) -> list[dict]:
        return self.http.get("/api/ha/v2/vehicles").json()["vehicles"]

    def stream(self, last: str | None = None) -> Iterator[tuple[str, str, dict]]:
        """Messages as (event, id, data), for as long as the stream lasts."""
        headers = {"Last-Event-ID": last} if last else {}
        with self.http.stream("GET", "/api/ha/v2/stream", headers=headers, timeout=PATIENCE) as answer:
            assert answer.status_code == 200
            message: dict[str, str] = {}
            for line in answer.iter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    message[name] = message.get(name, "") + value
                elif message.get("event"):
                    yield message["event"], message.get("id", ""), json.loads(message["data"])
                    message = {}


@contextmanager
def simulating(*options: str, log: int | IO[bytes] | None = None) -> Iterator[Enode]:
    """A simulator with these options, as a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "demo.enode", "--port", str(port), *options]
    client = ("--client-id", "client", "--client-secret", "client-secret")
    process = subprocess.Popen([*command, *client], stdout=log, stderr=log)
    simulator = Enode(port)
    try:
        until(lambda: simulator.http.get("/_sim/health").status_code == 200)
        yield simulator
    finally:
        simulator.http.close()
        process.terminate()
        process.wait(10)


@pytest.fixture
def enode():
    with simulating("--speed", "300") as simulator:
        yield simulator


@pytest.fixture
def start_relay(tmp_path, enode):
    started: list[Relay] = []

    def start(*options: str, webhook: bool = True) -> Relay:
        relay = Relay(tmp_path, enode, webhook=webhook)
        started.append(relay)
        relay.start(*options)
        return relay

    yield start
    for relay in started:
        relay.http.close()
        relay.end()
