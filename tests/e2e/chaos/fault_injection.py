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

SECONDS_PER_KM = 20.0
"""180 km/h: the relay holds back an odometer that runs faster than a car."""


class VehicleChanger:
    """Changes random vehicles in a thread, one change at a time, at a steady rate: at least `events` times."""

    # The last step is a second report without a plug: after a single one, the relay continues the session.
    STEPS = (
        {"activity": "plug_in"},
        {"activity": "charge"},
        {"activity": "stop"},
        {"activity": "unplug"},
        {"charge_limit": None},
    )

    def __init__(self, enode: SimulatedEnode, generator: random.Random, events: int) -> None:
        self._enode, self._random, self.events = enode, generator, events
        self._interval = 1 / min(100, max(25, events / 120))
        self.changes = 0
        self._steps: Counter[str] = Counter()
        for vehicle_id in enode.get_vehicles():
            enode.change_vehicle(vehicle_id, activity="park")  # it may be driving, as cars do at this time of day
        vehicles = enode.get_vehicles()
        self._odometers = {vehicle_id: vehicle["odometer"]["distance"] for vehicle_id, vehicle in vehicles.items()}
        self._driven_at: dict[str, float] = {}
        self._vehicle_ids = sorted(vehicles)
        self._finish_requested = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        return self.changes >= self.events or not self._thread.is_alive()

    @property
    def is_alive(self) -> bool:
        """Whether no error has stopped it."""
        return self._thread.is_alive()

    def finish(self) -> None:
        """Stop the thread, and fail if an error stopped it early."""
        self._finish_requested.set()
        self._thread.join()
        assert self.changes >= self.events

    def run_all_steps(self) -> None:
        """Take every vehicle through all steps once more."""
        for vehicle_id in self._vehicle_ids:
            for _ in self.STEPS:
                self._enode.change_vehicle(vehicle_id, **self._next_step(vehicle_id))

    def _run(self) -> None:
        while not (self.is_done and self._finish_requested.is_set()):
            vehicle_id = self._random.choice(self._vehicle_ids)
            self._enode.change_vehicle(vehicle_id, **self._next_change(vehicle_id))
            self.changes += 1
            time.sleep(self._random.uniform(0, 2 * self._interval))

    def _next_change(self, vehicle_id: str) -> dict:
        if time.monotonic() - self._driven_at.get(vehicle_id, -SECONDS_PER_KM) >= SECONDS_PER_KM:
            self._driven_at[vehicle_id] = time.monotonic()
            self._odometers[vehicle_id] += 1
            return {"odometer": self._odometers[vehicle_id]}
        if self._random.random() < 0.4:
            return {"charge_limit": self._random.randrange(85, 100)}
        return self._next_step(vehicle_id)

    def _next_step(self, vehicle_id: str) -> dict:
        self._steps[vehicle_id] += 1
        rounds, step = divmod(self._steps[vehicle_id], len(self.STEPS))
        if "charge_limit" in self.STEPS[step]:
            return {"charge_limit": 83 + rounds % 2}  # one that the vehicle doesn't have yet
        return self.STEPS[step]


def kill_processes(
    cluster: Cluster,
    webhook_server: WebhookServer,
    installations: list[WebhookInstallation],
    changer: VehicleChanger,
    generator: random.Random,
) -> Counter[str]:
    """Kill and restart processes, and register endpoints again, until `changer` is done and each was killed.

    Returns the kills by process.
    """
    names = [*SERVERS, *WORKERS, POSTGRES]
    generator.shuffle(names)
    kills: Counter[str] = Counter()
    changes_between_kills = max(min(60, changer.events // 6), changer.events // 40)
    next_kill_at = changes_between_kills // 2
    while not changer.is_done or (len(kills) < len(names) and changer.is_alive):
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
