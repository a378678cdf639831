"""Load with bounds: so many requests at so many at once, or so many a second; and what came of it."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp

from tests.bench.world import SECRET, Person
from tests.relay.support.enode_events import CHARGING, make_event, make_vehicle

HANG_SECONDS = 120.0
CAPABILITIES = (
    *("information", "chargeState", "location", "odometer"),
    *("setMaxCurrent", "startCharging", "stopCharging", "smartCharging"),
)


@dataclass
class Outcome:
    """Seconds that each request took, and all of them together."""

    seconds: float = 0.0
    each: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.each) / self.seconds

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share was answered."""
        return percentile(self.each, share) * 1000


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def signed(*events: dict) -> tuple[bytes, dict[str, str]]:
    """A delivery as Enode sends it."""
    raw = json.dumps(events, separators=(",", ":")).encode()
    return raw, {"x-enode-signature": "sha1=" + hmac.new(SECRET.encode(), raw, hashlib.sha1).hexdigest()}


def update(person: Person, marker: int) -> dict:
    """A car's `updated`, told apart by its odometer."""
    now = datetime.now(UTC)
    shown = make_vehicle(person.enode_vehicle_id, now, vin=None, charge={**CHARGING, "batteryLevel": marker % 100})
    shown["capabilities"] = {name: {"isCapable": True, "interventionIds": []} for name in CAPABILITIES}
    shown["odometer"] = {"distance": marker, "lastUpdated": shown["lastSeen"]}
    return make_event("user:vehicle:updated", now, person.id, vehicle=shown, updatedFields=[])


type Ask = Callable[[aiohttp.ClientSession, int], Awaitable[None]]


async def closed_loop(ask: Ask, *, requests: int, at_once: int) -> Outcome:
    """`requests` of them, `at_once` at a time, each as soon as the one before it is answered."""
    outcome, numbers = Outcome(), iter(range(requests))
    async with session(at_once) as http, asyncio.timeout(HANG_SECONDS):

        async def one_client() -> None:
            for number in numbers:
                began = time.perf_counter()
                await ask(http, number)
                outcome.each.append(time.perf_counter() - began)

        began = time.perf_counter()
        await asyncio.gather(*(one_client() for _ in range(at_once)))
        outcome.seconds = time.perf_counter() - began
    return outcome


async def open_loop(ask: Ask, *, requests: int, per_second: float) -> Outcome:
    """`requests` at this pace, however long the answers take: the time counts from when each was due."""
    outcome = Outcome()
    async with session(200) as http, asyncio.timeout(HANG_SECONDS):
        began = time.perf_counter()

        async def due(number: int) -> None:
            at = began + number / per_second
            await asyncio.sleep(at - time.perf_counter())
            await ask(http, number)
            outcome.each.append(time.perf_counter() - at)

        await asyncio.gather(*(due(number) for number in range(requests)))
        outcome.seconds = time.perf_counter() - began
    return outcome


def session(at_once: int) -> aiohttp.ClientSession:
    """A client that keeps its connections."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=at_once), timeout=aiohttp.ClientTimeout(total=HANG_SECONDS)
    )


def posting(url: str, bodies: Iterable[tuple[bytes, dict[str, str]]]) -> Ask:
    """Each request POSTs the next of these deliveries. They are made before, so that making them costs nobody."""
    made = list(bodies)

    async def ask(http: aiohttp.ClientSession, number: int) -> None:
        raw, headers = made[number % len(made)]
        async with http.post(url, data=raw, headers=headers) as answer:
            assert answer.status == 200, answer.status
            await answer.read()

    return ask
