"""Load generators with a fixed concurrency or a fixed rate, and their results."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus

import aiohttp

from tests.bench.environment import SECRET, Account
from tests.relay.support.enode_events import CHARGING, make_event, make_vehicle

TIMEOUT_SECONDS = 120.0
RETRY_SECONDS = 0.1
CAPABILITIES = (
    *("information", "chargeState", "location", "odometer"),
    *("setMaxCurrent", "startCharging", "stopCharging", "smartCharging"),
)


@dataclass
class LoadResult:
    """Total seconds, and the seconds of each request."""

    seconds: float = 0.0
    durations: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.durations) / self.seconds

    def percentile(self, fraction: float) -> float:
        """Return the milliseconds within which this fraction of the requests was answered."""
        return get_percentile(self.durations, fraction) * 1000


def get_percentile(values: Sequence[float], fraction: float) -> float:
    """Return the value that this fraction of `values` does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))]


def build_delivery(*events: dict) -> tuple[bytes, dict[str, str]]:
    """Build the body and signature header of a delivery as Enode sends it."""
    raw = json.dumps(events, separators=(",", ":")).encode()
    return raw, {"x-enode-signature": "sha1=" + hmac.new(SECRET.encode(), raw, hashlib.sha1).hexdigest()}


FIRST_LONGITUDE = 5.0
DEGREES_PER_MARKER = 1e-6
"""7 cm: the relay takes no step for a fault, and thousands of them for less than a drive."""


def build_update_event(account: Account, marker: int) -> dict:
    """Build a `user:vehicle:updated` event that carries `marker` in its longitude."""
    now = datetime.now(UTC)
    vehicle = make_vehicle(account.enode_vehicle_id, now, vin=None, charge=CHARGING)
    vehicle["capabilities"] = {name: {"isCapable": True, "interventionIds": []} for name in CAPABILITIES}
    vehicle["location"]["longitude"] = round(FIRST_LONGITUDE + marker * DEGREES_PER_MARKER, 6)
    return make_event("user:vehicle:updated", now, account.id, vehicle=vehicle, updatedFields=[])


def read_marker(longitude: float) -> int:
    """The marker of build_update_event in a longitude."""
    return round((longitude - FIRST_LONGITUDE) / DEGREES_PER_MARKER)


type SendRequest = Callable[[aiohttp.ClientSession, int], Awaitable[None]]


async def run_closed_loop(send_request: SendRequest, *, requests: int, concurrency: int) -> LoadResult:
    """Run `concurrency` clients, each of which sends its next request when the previous one is answered."""
    result, numbers = LoadResult(), iter(range(requests))
    async with open_session(concurrency) as http, asyncio.timeout(TIMEOUT_SECONDS):

        async def run_client() -> None:
            for number in numbers:
                request_started_at = time.perf_counter()
                await send_request(http, number)
                result.durations.append(time.perf_counter() - request_started_at)

        started_at = time.perf_counter()
        await asyncio.gather(*(run_client() for _ in range(concurrency)))
        result.seconds = time.perf_counter() - started_at
    return result


async def run_open_loop(send_request: SendRequest, *, requests: int, per_second: float) -> LoadResult:
    """Send requests at a fixed rate, however long responses take. Durations count from when a request was due."""
    result = LoadResult()
    async with open_session(200) as http, asyncio.timeout(TIMEOUT_SECONDS):
        started_at = time.perf_counter()

        async def send_when_due(number: int) -> None:
            due_at = started_at + number / per_second
            await asyncio.sleep(due_at - time.perf_counter())
            await send_request(http, number)
            result.durations.append(time.perf_counter() - due_at)

        await asyncio.gather(*(send_when_due(number) for number in range(requests)))
        result.seconds = time.perf_counter() - started_at
    return result


def open_session(concurrency: int) -> aiohttp.ClientSession:
    """Create a client that reuses its connections."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency), timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    )


def post_in_turn(url: str, bodies: Iterable[tuple[bytes, dict[str, str]]]) -> SendRequest:
    """Return a function that posts the deliveries in turn. They are built beforehand, outside of the measurement.

    A delivery that the relay has no time to store (503) is posted again, as Enode does. That counts into its duration.
    """
    deliveries = list(bodies)

    async def send_request(http: aiohttp.ClientSession, number: int) -> None:
        raw, headers = deliveries[number % len(deliveries)]
        status = HTTPStatus.SERVICE_UNAVAILABLE
        while status == HTTPStatus.SERVICE_UNAVAILABLE:
            async with http.post(url, data=raw, headers=headers) as response:
                status = HTTPStatus(response.status)
                await response.read()
            await asyncio.sleep(RETRY_SECONDS if status == HTTPStatus.SERVICE_UNAVAILABLE else 0)
        assert status == HTTPStatus.OK

    return send_request
