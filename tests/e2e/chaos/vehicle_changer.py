"""The load: a thread that changes random vehicles at a steady rate."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tests.e2e.simulated_enode import SimulatedEnode

SECONDS_PER_KM = 20.0
"""180 km/h: the relay holds back an odometer that runs faster than a car."""
MIN_SECONDS_BETWEEN = 0.002
"""Times of readings are in milliseconds: of two changes within one, only the last would be a reading."""
CHANGES_PER_SECOND = 25
CHANGES_PER_SECOND_BEYOND = 5
"""After the requested number of changes: a busy machine must not fall further behind while a fault takes its time."""


class VehicleChanger:
    """Changes random vehicles in a thread, one change at a time, at a steady rate."""

    # The last step is a second report without a plug: after a single one, the relay continues the session.
    STEPS = (
        {"activity": "plug_in"},
        {"activity": "charge"},
        {"activity": "stop"},
        {"activity": "unplug"},
        {"charge_limit": None},
    )

    def __init__(self, enode: SimulatedEnode, generator: random.Random) -> None:
        self._enode, self._random = enode, generator
        self.changes, self._target = 0, 0
        self._steps: Counter[str] = Counter()
        self._enode_ids: dict[str, str] = {}
        self._lock = threading.RLock()
        self._left_out: set[str] = set()
        self.update_ids()
        for enode_id in self._enode_ids.values():
            enode.change_vehicle(enode_id, activity="park")  # it may be driving, as cars do at this time of day
        vehicles = enode.get_vehicles().values()
        self._odometers = {row["information"]["vin"]: row["odometer"]["distance"] for row in vehicles}
        self._driven_at: dict[str, float] = {}
        self._finish_requested = threading.Event()
        self._thread = threading.Thread()

    def update_ids(self) -> None:
        """Learn under which ids Enode has the cars now."""
        vehicles = self._enode.get_vehicles().items()
        self._enode_ids = {row["information"]["vin"]: enode_id for enode_id, row in vehicles}

    def get_enode_id(self, vin: str) -> str:
        """Return the id that Enode has for a car."""
        return self._enode_ids[vin]

    def start(self, changes: int) -> None:
        """Start to make this many changes, and more until `finish`."""
        self._target = self.changes + changes
        self._finish_requested.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        return self.changes >= self._target or not self._thread.is_alive()

    def finish(self) -> None:
        """Stop the thread, and fail if an error stopped it early."""
        self._finish_requested.set()
        self._thread.join()
        assert self.changes >= self._target, "an error stopped the thread that changes the vehicles"

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Change nothing for a while."""
        with self._lock:
            yield

    @contextmanager
    def leave_out(self, vins: Iterable[str]) -> Iterator[None]:
        """Don't change these cars for a while; their ids at Enode may change meanwhile."""
        with self._lock:
            self._left_out |= set(vins)
        yield
        with self._lock:
            self.update_ids()
            self._left_out -= set(vins)

    def run_all_steps(self) -> None:
        """Take every vehicle through all steps once more."""
        for vin in sorted(self._enode_ids):
            for _ in self.STEPS:
                self._change(vin, self._next_step(vin))

    def _run(self) -> None:
        while not (self.changes >= self._target and self._finish_requested.is_set()):
            with self._lock:
                vin = self._random.choice(sorted(self._enode_ids.keys() - self._left_out))
                self._change(vin, self._next_change(vin))
                self.changes += 1
            rate = CHANGES_PER_SECOND if self.changes < self._target else CHANGES_PER_SECOND_BEYOND
            time.sleep(self._random.uniform(0, 2 / rate))

    def _change(self, vin: str, change: dict) -> None:
        self._enode.change_vehicle(self._enode_ids[vin], **change)
        time.sleep(MIN_SECONDS_BETWEEN)

    def _next_change(self, vin: str) -> dict:
        if time.monotonic() - self._driven_at.get(vin, -SECONDS_PER_KM) >= SECONDS_PER_KM:
            self._driven_at[vin] = time.monotonic()
            self._odometers[vin] += 1
            return {"odometer": self._odometers[vin]}
        if self._random.random() < 0.4:
            return {"charge_limit": self._random.randrange(85, 100)}
        return self._next_step(vin)

    def _next_step(self, vin: str) -> dict:
        self._steps[vin] += 1
        rounds, step = divmod(self._steps[vin], len(self.STEPS))
        if "charge_limit" in self.STEPS[step]:
            return {"charge_limit": 83 + rounds % 2}  # one that the vehicle doesn't have yet
        return self.STEPS[step]
