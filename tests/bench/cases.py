"""The benchmarks of requests and events. Each takes the environment and a scale and returns rows of figures."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum

import psycopg

from tests.bench.environment import TICKS, Account, Environment, Server, create_accounts
from tests.bench.load import (
    LoadResult,
    build_delivery,
    build_update_event,
    open_session,
    post_in_turn,
    read_marker,
    run_closed_loop,
    run_open_loop,
)
from tests.bench.report import Row

ENODE_WEBHOOK_PATH = "/api/webhook/enode"


class Scale(StrEnum):
    """The size of the measurements: full for figures, quick for a first look, smoke to check that every one works."""

    FULL = "full"
    QUICK = "quick"
    SMOKE = "smoke"

    def __call__(self, full: int, quick: int, smoke: int) -> int:
        return {Scale.FULL: full, Scale.QUICK: quick, Scale.SMOKE: smoke}[self]

    @property
    def rounds(self) -> int:
        """How often a measurement is repeated, after a first round as a warm-up."""
        return self(3, 3, 1)


type Benchmark = Callable[[Environment, Scale], Awaitable[list[Row]]]


def build_deliveries(accounts: list[Account], count: int, start: int = 0) -> list[tuple[bytes, dict[str, str]]]:
    """Build `count` deliveries of one distinct event each, for the accounts in turn."""
    return [
        build_delivery(build_update_event(accounts[number % len(accounts)], start + number)) for number in range(count)
    ]


async def measure_ingest(environment: Environment, scale: Scale) -> list[Row]:
    """Measure a POST from Enode until it is committed and answered, against verify and insert alone."""
    database, requests = environment.create_database(), scale(1500, 100, 10)
    accounts = create_accounts(database, 50)
    ours, floor = [], []
    async with (
        environment.run_relay(database, "serve", "--no-worker") as relay,
        environment.run_module("tests.bench.floor", database) as floor_server,
    ):
        for number in range(scale.rounds + 1):  # the first round is a warm-up
            bodies = build_deliveries(accounts, requests, number * requests)
            for server, path, results in ((relay, ENODE_WEBHOOK_PATH, ours), (floor_server, "/ingest", floor)):
                send_request = post_in_turn(server.url + path, bodies)
                results.append(await run_closed_loop(send_request, requests=requests, concurrency=8))
    rates = [statistics.median(result.per_second for result in results[1:]) for results in (ours, floor)]
    p99 = ours[-1].percentile(0.99)
    figures = f"{rates[0]:.0f}/s, floor {rates[1]:.0f}/s; p99 {p99:.1f} ms at 8 concurrent requests"
    rate_row = Row(
        bench="ingest",
        what="deliveries of one event",
        figures=figures,
        ratio=rates[0] / rates[1],
        budget=0.7,
        at_least=True,
    )
    return [rate_row, await measure_ingest_latency(environment, scale)]


async def measure_ingest_latency(environment: Environment, scale: Scale) -> Row:
    """Measure the latency of POSTs at a fixed rate, by a process that also runs the worker."""
    database, count = environment.create_database(), scale(2000, 100, 20)
    accounts = create_accounts(database, 50)
    async with environment.run_relay(database, "serve") as relay:
        send_request = post_in_turn(relay.url + ENODE_WEBHOOK_PATH, build_deliveries(accounts, count))
        result = await run_open_loop(send_request, requests=count, per_second=200)
    p50, p99 = result.percentile(0.5), result.percentile(0.99)
    figures = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms until 2xx (target: p99 < 100 ms)"
    return Row(bench="ingest", what="200 events/s, one process with a worker", figures=figures)


async def measure_status(environment: Environment, scale: Scale) -> list[Row]:
    """Measure the CPU of a classic status request, against FastAPI and psycopg with the same statement.

    tests/relay checks that the relay runs only one statement.
    """
    database, requests = environment.create_database(), scale(1500, 100, 10)
    accounts = create_accounts(database, 50)
    async with environment.run_relay(database, "serve") as relay:
        bodies = build_deliveries(accounts, len(accounts))
        send_request = post_in_turn(relay.url + ENODE_WEBHOOK_PATH, bodies)
        await run_closed_loop(send_request, requests=len(bodies), concurrency=8)
        await wait_until_processed(database)
    ours: list[float] = []
    floor: list[float] = []
    async with (
        environment.run_relay(database, "serve", "--no-worker") as relay,
        environment.run_module("tests.bench.floor", database) as floor_server,
    ):
        for _ in range(scale.rounds + 1):  # the first round is a warm-up
            ours.append(await measure_cpu_per_request(relay, "/api/ha/status/", accounts, requests))
            floor.append(await measure_cpu_per_request(floor_server, "/status/", accounts, requests))
    ours_median, floor_median = statistics.median(ours[1:]), statistics.median(floor[1:])
    return [
        Row(
            bench="status",
            what="CPU of a request",
            figures=f"{ours_median * 1e6:.0f} µs, floor {floor_median * 1e6:.0f} µs",
            ratio=ours_median / floor_median,
            budget=1.3,
        ),
    ]


async def measure_cpu_per_request(server: Server, path: str, accounts: list[Account], requests: int) -> float:
    """Request the status of the accounts' vehicles in turn, and return the server's CPU seconds per request.

    A run too short for the clock counts as one tick of it.
    """

    async def send_request(http, number: int) -> None:
        account = accounts[number % len(accounts)]
        async with http.get(server.url + path + account.enode_vehicle_id, headers=account.headers) as response:
            assert response.status == 200, response.status
            await response.read()

    cpu_before = server.cpu_seconds
    await run_closed_loop(send_request, requests=requests, concurrency=8)
    return max(server.cpu_seconds - cpu_before, 1 / TICKS) / requests


async def measure_latency(environment: Environment, scale: Scale) -> list[Row]:
    """Measure the time from Enode's POST to the message on an open stream, at 100 events a second."""
    database, count = environment.create_database(), scale(1000, 100, 20)
    accounts = create_accounts(database, 50)
    sent_at: dict[int, float] = {}
    received_at: dict[int, float] = {}
    async with (
        environment.run_relay(database, "serve") as relay,
        open_session(200) as http,
        asyncio.TaskGroup() as group,
    ):
        readers = [group.create_task(read_markers(http, relay.url, account, received_at)) for account in accounts]
        await asyncio.sleep(0.5)
        post = post_in_turn(relay.url + ENODE_WEBHOOK_PATH, build_deliveries(accounts, count, 1))

        async def send_request(http, number: int) -> None:
            sent_at[number + 1] = time.perf_counter()
            await post(http, number)

        await run_open_loop(send_request, requests=count, per_second=100)
        await wait_until_processed(database)
        await asyncio.sleep(0.5)
        for task in readers:
            task.cancel()
    # Of several changes of one vehicle only the newest is sent: an earlier one never appears on its own.
    durations = [max(received_at[marker] - sent_at[marker], 0) for marker in sent_at if marker in received_at]
    result = LoadResult(seconds=1, durations=durations)
    figures = (
        f"p50 {result.percentile(0.5):.1f} ms, p99 {result.percentile(0.99):.1f} ms; {len(durations)} of {count} "
        "delivered individually, the others merged into a later one (target: p50 < 50, p99 < 250 ms)"
    )
    return [Row(bench="latency", what="POST → stream at 100 events/s, 50 streams", figures=figures)]


async def read_markers(http, url: str, account: Account, received_at: dict[int, float]) -> None:
    """Read a stream and record when each marker (see build_update_event) arrives first."""
    async with http.get(f"{url}/api/ha/v2/stream", headers=account.headers, timeout=None) as response:
        assert response.status == 200, response.status
        async for line in response.content:
            if b'"longitude":' in line:
                longitude = float(line.rpartition(b'"longitude":')[2].split(b",")[0].split(b"}")[0])
                received_at.setdefault(read_marker(longitude), time.perf_counter())


async def measure_scaling(environment: Environment, scale: Scale) -> list[Row]:
    """Measure ingest by one process against two on the same database, with a worker beside them."""
    requests, rates = scale(1500, 100, 10), []
    database = environment.create_database()
    accounts = create_accounts(database, 50)
    async with (
        environment.run_relay(database, "serve", "--no-worker") as first,
        environment.run_relay(database, "serve", "--no-worker") as second,
        environment.run_relay(database, "work"),
    ):
        for servers in ((first,), (first, second)) * 2:
            bodies = build_deliveries(accounts, requests, len(rates) * requests)
            posts = [post_in_turn(server.url + ENODE_WEBHOOK_PATH, bodies) for server in servers]

            async def send_request(http, number: int, posts=posts) -> None:
                await posts[number % len(posts)](http, number)

            rates.append((await run_closed_loop(send_request, requests=requests, concurrency=16)).per_second)
    one, two = max(rates[0], rates[2]), max(rates[1], rates[3])
    figures = f"{one:.0f}/s by one, {two:.0f}/s by two (client, worker and PostgreSQL share the cores)"
    return [Row(bench="scaling", what="ingest, one process and two", figures=figures, ratio=two / one)]


async def measure_drain(environment: Environment, scale: Scale) -> list[Row]:
    """Measure how fast one worker processes events that are all in the inbox when it starts."""
    count, database = scale(3000, 200, 100), environment.create_database(shared=False)
    accounts = create_accounts(database, 50)
    async with environment.run_relay(database, "serve", "--no-worker") as relay:
        bodies = [
            build_delivery(*(build_update_event(accounts[number % 50], number) for number in range(start, start + 100)))
            for start in range(0, count, 100)
        ]
        send_request = post_in_turn(relay.url + ENODE_WEBHOOK_PATH, bodies)
        await run_closed_loop(send_request, requests=len(bodies), concurrency=4)
    async with environment.run_relay(database, "work") as worker:
        started_at, first_progress = time.perf_counter(), None
        while remaining := count_pending_events(database):
            if first_progress is None and remaining < count:
                first_progress = time.perf_counter(), remaining
            assert time.perf_counter() - started_at < 120
            await asyncio.sleep(0.02)
        seconds = time.perf_counter() - (first_progress[0] if first_progress else started_at)
        cpu_seconds = worker.cpu_seconds
    processed = first_progress[1] if first_progress else count
    figures = f"{processed / seconds:.0f} events/s, {cpu_seconds / count * 1e3:.2f} ms CPU an event including its start"
    return [Row(bench="drain", what=f"{count} events of 50 cars, one worker", figures=figures)]


def count_pending_events(database: str) -> int:
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute("select count(*) from evconduit.webhook_logs where state = 'pending'").fetchone()
    return int(row[0]) if row else 0


async def wait_until_processed(database: str) -> None:
    """Wait until no event is pending."""
    async with asyncio.timeout(60):
        while await asyncio.to_thread(count_pending_events, database):
            await asyncio.sleep(0.05)
