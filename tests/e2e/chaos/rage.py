"""Who makes things happen: hands that move cars, and whoever kills processes meanwhile."""

import base64
import random
import threading
import time
from collections import Counter
from contextlib import suppress

import httpx

from tests.e2e.chaos.installations import Homes, Hook
from tests.e2e.chaos.spread import POSTGRES, SERVES, WORKS, Spread
from tests.e2e.conftest import Enode


class Driver:
    """Hands that move cars, one change after the other, at a pace."""

    STEPS = ({"activity": "plug_in"}, {"activity": "charge"}, {"activity": "stop"}, {"activity": "unplug"})

    def __init__(self, enode: Enode, chance: random.Random, events: int) -> None:
        self._enode, self._random, self.events = enode, chance, events
        self._pause = 1 / min(100, max(25, events / 120))
        self.made = 0
        self._step: Counter[str] = Counter()
        self._km: dict[str, int] = {}
        self._cars = sorted(enode.cars())
        self._thread = threading.Thread(target=self._drive, daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def finish(self) -> None:
        """Wait for the end; a driver that was stopped by an error is one."""
        self._thread.join()
        assert self.made == self.events

    def round(self) -> None:
        """Every car goes through all steps once more."""
        for car in self._cars:
            for _ in self.STEPS:
                self._enode.tell(car, **self._next_step(car))

    def _drive(self) -> None:
        while self.made < self.events:
            car = self._random.choice(self._cars)
            self._enode.tell(car, **self._wish(car))
            self.made += 1
            time.sleep(self._random.uniform(0, 2 * self._pause))

    def _wish(self, car: str) -> dict:
        if self._random.random() < 0.3:
            self._km[car] = self._km.get(car, 100_000) + 1
            return {"odometer": self._km[car]}
        if self._random.random() < 0.3:
            return {"charge_limit": self._random.randrange(85, 100)}
        return self._next_step(car)

    def _next_step(self, car: str) -> dict:
        self._step[car] += 1
        return self.STEPS[self._step[car] % len(self.STEPS)]


def rage(spread: Spread, homes: Homes, hooks: list[Hook], driver: Driver, chance: random.Random) -> Counter[str]:
    """Kill, and have Home Assistants start anew, until the driver is done. Who was killed how often."""
    victims = [*SERVES, *WORKS, POSTGRES]
    chance.shuffle(victims)
    killed: Counter[str] = Counter()
    between = max(60, driver.events // 40)
    following = between // 2
    while not driver.done:
        if driver.made < following:
            time.sleep(0.02)
            continue
        following += between
        victim = victims[killed.total() % len(victims)]  # everybody has a turn, in an order of chance
        killed[victim] += 1
        spread.kill(victim)
        time.sleep(chance.uniform(0, 0.5))
        spread.start(victim)
        with suppress(httpx.TransportError):  # it tries again at its next start
            register(spread, homes, chance.choice(hooks))
    return killed


def register(spread: Spread, homes: Homes, hook: Hook) -> str | None:
    """Tell the relay where to POST, as a Home Assistant does at each start; the secret, or none if nobody answers."""
    headers = {"Authorization": f"Bearer {hook.key}"}
    body = {"url": homes.url + hook.path}
    answer = httpx.put(f"{spread.urls[0]}/api/ha/v2/endpoint", headers=headers, json=body, timeout=10)
    if answer.status_code != 200:
        return None
    hook.secret = base64.b64decode(answer.json()["secret"].removeprefix("whsec_"))
    return answer.json()["secret"]
