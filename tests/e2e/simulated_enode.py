"""The simulated Enode in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import httpx

from tests.e2e.processes import find_free_port, wait_until


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
