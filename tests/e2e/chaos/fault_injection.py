"""Load and faults: a thread that changes vehicles while processes are killed at random."""

import base64
import random
import threading
import time
from collections import Counter
from contextlib import suppress

import httpx

from tests.e2e.chaos.cluster import POSTGRES, SERVERS, WORKERS, Cluster
from tests.e2e.chaos.installations import WebhookInstallation, WebhookServer
from tests.e2e.simulated_enode import SimulatedEnode


class VehicleChanger:
    """Changes random vehicles in a thread, one change at a time, at a steady rate."""

    STEPS = ({"activity": "plug_in"}, {"activity": "charge"}, {"activity": "stop"}, {"activity": "unplug"})

    def __init__(self, enode: SimulatedEnode, generator: random.Random, events: int) -> None:
        self._enode, self._random, self.events = enode, generator, events
        self._interval = 1 / min(100, max(25, events / 120))
        self.changes = 0
        self._steps: Counter[str] = Counter()
        self._odometers: dict[str, int] = {}
        self._vehicle_ids = sorted(enode.get_vehicles())
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def finish(self) -> None:
        """Wait for the thread, and fail if an error stopped it early."""
        self._thread.join()
        assert self.changes == self.events

    def run_all_steps(self) -> None:
        """Take every vehicle through all steps once more."""
        for vehicle_id in self._vehicle_ids:
            for _ in self.STEPS:
                self._enode.change_vehicle(vehicle_id, **self._next_step(vehicle_id))

    def _run(self) -> None:
        while self.changes < self.events:
            vehicle_id = self._random.choice(self._vehicle_ids)
            self._enode.change_vehicle(vehicle_id, **self._next_change(vehicle_id))
            self.changes += 1
            time.sleep(self._random.uniform(0, 2 * self._interval))

    def _next_change(self, vehicle_id: str) -> dict:
        if self._random.random() < 0.3:
            self._odometers[vehicle_id] = self._odometers.get(vehicle_id, 100_000) + 1
            return {"odometer": self._odometers[vehicle_id]}
        if self._random.random() < 0.3:
            return {"charge_limit": self._random.randrange(85, 100)}
        return self._next_step(vehicle_id)

    def _next_step(self, vehicle_id: str) -> dict:
        self._steps[vehicle_id] += 1
        return self.STEPS[self._steps[vehicle_id] % len(self.STEPS)]


def kill_processes(
    cluster: Cluster,
    webhook_server: WebhookServer,
    installations: list[WebhookInstallation],
    changer: VehicleChanger,
    generator: random.Random,
) -> Counter[str]:
    """Kill and restart processes, and register endpoints again, until `changer` is done. Returns kills by process."""
    names = [*SERVERS, *WORKERS, POSTGRES]
    generator.shuffle(names)
    kills: Counter[str] = Counter()
    # At least six kills: one of each process, and one more.
    changes_between_kills = max(min(60, changer.events // 6), changer.events // 40)
    next_kill_at = changes_between_kills // 2
    while not changer.is_done:
        if changer.changes < next_kill_at:
            time.sleep(0.02)
            continue
        next_kill_at += changes_between_kills
        name = names[kills.total() % len(names)]  # each process in turn, in the shuffled order
        kills[name] += 1
        cluster.kill(name)
        time.sleep(generator.uniform(0, 0.5))
        cluster.start(name)
        with suppress(httpx.TransportError):  # as in Home Assistant, the next registration tries again
            register_endpoint(cluster, webhook_server, generator.choice(installations))
    return kills


def register_endpoint(cluster: Cluster, webhook_server: WebhookServer, installation: WebhookInstallation) -> str | None:
    """Register the endpoint, as a Home Assistant does at each start. Returns its secret, or None if the relay fails."""
    headers = {"Authorization": f"Bearer {installation.key}"}
    body = {"url": webhook_server.url + installation.path}
    response = httpx.put(f"{cluster.urls[0]}/api/ha/v2/endpoint", headers=headers, json=body, timeout=10)
    if response.status_code != 200:
        return None
    installation.secret = base64.b64decode(response.json()["secret"].removeprefix("whsec_"))
    return response.json()["secret"]
