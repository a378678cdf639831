"""The benches: each a function of the world, how much of it, and rows of figures out."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp
import psycopg

from tests.bench.load import Outcome, closed_loop, open_loop, posting, session, signed, update
from tests.bench.report import Row
from tests.bench.world import Person, World, people

ENODE = "/api/webhook/enode"
ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much: full for figures, quick to see that everything works."""

    quick: bool

    def __call__(self, full: int, quick: int) -> int:
        return quick if self.quick else full


type Bench = Callable[[World, Scale], Awaitable[list[Row]]]


def deliveries(persons: list[Person], count: int, start: int = 0) -> list[tuple[bytes, dict[str, str]]]:
    """So many deliveries of one event each, each another event."""
    return [signed(update(persons[it % len(persons)], start + it)) for it in range(count)]


async def ingest(world: World, scale: Scale) -> list[Row]:
    """POST from Enode until it is committed and answered, against verify and insert alone."""
    database, requests = world.database(), scale(1500, 100)
    persons = people(database, 50)
    ours, floor = [], []
    async with (
        world.relay(database, "serve", "--no-worker") as relay,
        world.module("tests.bench.floor", database) as bare,
    ):
        for number in range(ROUNDS + 1):  # the first warms up
            made = deliveries(persons, requests, number * requests)
            for server, path, into in ((relay, ENODE, ours), (bare, "/ingest", floor)):
                into.append(await closed_loop(posting(server.url + path, made), requests=requests, at_once=8))
    rates = [statistics.median(it.per_second for it in outcomes[1:]) for outcomes in (ours, floor)]
    figures = f"{rates[0]:.0f}/s, floor {rates[1]:.0f}/s; p99 {ours[-1].percentile(0.99):.1f} ms at 8 at once"
    rows = [
        Row(
            bench="ingest",
            what="deliveries of one event",
            figures=figures,
            ratio=rates[0] / rates[1],
            budget=0.7,
            at_least=True,
        )
    ]
    database = world.database()
    persons = people(database, 50)
    async with world.relay(database, "serve") as relay:
        count = scale(2000, 100)
        paced = await open_loop(posting(relay.url + ENODE, deliveries(persons, count)), requests=count, per_second=200)
    figures = f"p50 {paced.percentile(0.5):.1f} ms, p99 {paced.percentile(0.99):.1f} ms until 2xx (aim: p99 < 100 ms)"
    return [*rows, Row(bench="ingest", what="200 events/s, one process that also works", figures=figures)]


async def status(world: World, scale: Scale) -> list[Row]:
    """HA status: the CPU of a request against FastAPI and psycopg doing the same statement.

    That it is one statement is counted in tests/relay.
    """
    database, requests = world.database(), scale(1500, 100)
    persons = people(database, 50)
    async with world.relay(database, "serve") as relay:
        made = deliveries(persons, len(persons))
        await closed_loop(posting(relay.url + ENODE, made), requests=len(made), at_once=8)
        await settled(database)
    cpu: dict[str, list[float]] = {"ours": [], "floor": []}
    async with (
        world.relay(database, "serve", "--no-worker") as relay,
        world.module("tests.bench.floor", database) as bare,
    ):
        sides = (("ours", relay, "/api/ha/status/"), ("floor", bare, "/status/"))
        for _ in range(ROUNDS + 1):
            for side, server, path in sides:

                async def ask(http, request: int, server=server, path=path) -> None:
                    person = persons[request % len(persons)]
                    async with http.get(server.url + path + person.enode_vehicle_id, headers=person.headers) as answer:
                        assert answer.status == 200, answer.status
                        await answer.read()

                before = server.cpu_seconds
                await closed_loop(ask, requests=requests, at_once=8)
                cpu[side].append((server.cpu_seconds - before) / requests)
    mine, theirs = (statistics.median(it[1:]) for it in (cpu["ours"], cpu["floor"]))
    return [
        Row(
            bench="status",
            what="CPU of a request",
            figures=f"{mine * 1e6:.0f} µs, floor {theirs * 1e6:.0f} µs",
            ratio=mine / theirs,
            budget=1.3,
        ),
    ]


async def latency(world: World, scale: Scale) -> list[Row]:
    """From Enode's POST to the message on an open stream, at 100 events a second."""
    database, count = world.database(), scale(1000, 100)
    persons = people(database, 50)
    sent: dict[int, float] = {}
    told: dict[int, float] = {}
    async with world.relay(database, "serve") as relay, session(200) as http, asyncio.TaskGroup() as tasks:
        listening = [tasks.create_task(listen(http, relay.url, it, told)) for it in persons]
        await asyncio.sleep(0.5)
        made = deliveries(persons, count, 1)
        post = posting(relay.url + ENODE, made)

        async def ask(http, number: int) -> None:
            sent[number + 1] = time.perf_counter()
            await post(http, number)

        await open_loop(ask, requests=count, per_second=100)
        await settled(database)
        await asyncio.sleep(0.5)
        for task in listening:
            task.cancel()
    # Of several changes of one car only the newest travels: an overtaken one is told with the next of its car.
    each = [max(told[it] - sent[it], 0) for it in sent if it in told]
    outcome = Outcome(seconds=1, each=each)
    figures = (
        f"p50 {outcome.percentile(0.5):.1f} ms, p99 {outcome.percentile(0.99):.1f} ms; {len(each)} of {count} told one "
        "by one, the others with the next of their car (aim: p50 < 50, p99 < 250 ms)"
    )
    return [Row(bench="latency", what="POST → stream at 100 events/s, 50 streams", figures=figures)]


async def listen(http, url: str, person: Person, told: dict[int, float]) -> None:
    """Note when each marker arrives."""
    async with http.get(f"{url}/api/ha/v2/stream", headers=person.headers, timeout=None) as answer:
        assert answer.status == 200, answer.status
        async for line in answer.content:
            if b'"distance":' in line:
                marker = int(line.rpartition(b'"distance":')[2].split(b",")[0].split(b"}")[0])
                told.setdefault(marker, time.perf_counter())


async def streams(world: World, scale: Scale) -> list[Row]:
    """Memory of open streams, and 1,000 users woken by one burst, against a bare fan-out of the same bytes."""
    count = scale(1000, 50)
    database = world.database()
    persons = people(database, count)
    body = deliveries(persons[:1], 1)[0][0]
    async with world.relay(database, "serve") as relay, world.module("tests.bench.floor") as bare:
        burst = [signed(*(update(it, 7) for it in persons[start : start + 100])) for start in range(0, count, 100)]
        mine = await woken(
            relay,
            count,
            persons,
            lambda: closed_loop(posting(relay.url + ENODE, burst), requests=len(burst), at_once=4),
        )
        memory = await held(relay, persons, scale(2000, 100))

        async def fan_out() -> object:
            async with (
                session(1) as http,
                http.post(f"{bare.url}/fan-out", data=b"event: vehicle\ndata: " + body + b"\n\n") as answer,
            ):
                return await answer.read()

        floor = await woken(bare, count, None, fan_out)
    return [
        Row(
            bench="streams",
            what=f"memory of a stream, {scale(2000, 100)} open in one process",
            figures=f"{memory:.0f} KiB",
            ratio=memory,
            budget=64,
        ),
        Row(
            bench="streams",
            what=f"{count} users woken by one burst: events in, drained, told",
            figures=f"{mine:.2f} s for {count} events; a bare fan-out of the same bytes {floor:.2f} s",
        ),
    ]


async def woken(server, count: int, persons: list[Person] | None, act: Callable[[], Awaitable[object]]) -> float:
    """Seconds from `act` until every one of `count` streams has been told."""
    done, opened = 0, 0
    all_told, all_open = asyncio.Event(), asyncio.Event()

    async def one(http, person: Person | None) -> None:
        nonlocal done, opened
        path = "/api/ha/v2/stream" if person else "/stream"
        headers = person.headers if person else {}
        async with http.get(server.url + path, headers=headers, timeout=None) as answer:
            assert answer.status == 200, answer.status
            async for line in answer.content:
                if line.startswith(b"event: snapshot"):
                    opened += 1
                    if opened == count:
                        all_open.set()
                elif line.startswith(b"event: vehicle"):
                    done += 1
                    if done == count:
                        all_told.set()
                    return

    async with session(count + 10) as http, asyncio.timeout(120):
        tasks = [asyncio.create_task(one(http, persons[it] if persons else None)) for it in range(count)]
        await all_open.wait()
        began = time.perf_counter()
        await act()
        await all_told.wait()
        took = time.perf_counter() - began
        await asyncio.gather(*tasks)
    return took


async def held(server, persons: list[Person], count: int) -> float:
    """KiB of resident memory that each of so many open streams takes."""
    opened: list[aiohttp.ClientResponse] = []
    async with session(count + 10) as http, asyncio.timeout(180):
        before = server.resident_kib
        for start in range(0, count, 50):
            some = [persons[it % len(persons)] for it in range(start, min(count, start + 50))]
            opened += await asyncio.gather(
                *(http.get(f"{server.url}/api/ha/v2/stream", headers=it.headers, timeout=None) for it in some)
            )
        assert all(it.status == 200 for it in opened)
        took = (server.resident_kib - before) / count
        for it in opened:
            it.close()
        return took


async def scaling(world: World, scale: Scale) -> list[Row]:
    """Ingest by one process against two on the same database, with a worker beside them."""
    requests, rates = scale(1500, 100), []
    database = world.database()
    persons = people(database, 50)
    async with (
        world.relay(database, "serve", "--no-worker") as first,
        world.relay(database, "serve", "--no-worker") as second,
        world.relay(database, "work"),
    ):
        for servers in ((first,), (first, second)) * 2:
            made = deliveries(persons, requests, len(rates) * requests)
            posts = [posting(it.url + ENODE, made) for it in servers]

            async def ask(http, number: int, posts=posts) -> None:
                await posts[number % len(posts)](http, number)

            rates.append((await closed_loop(ask, requests=requests, at_once=16)).per_second)
    one, two = max(rates[0], rates[2]), max(rates[1], rates[3])
    figures = f"{one:.0f}/s by one, {two:.0f}/s by two (client, worker and PostgreSQL share the cores)"
    return [Row(bench="scaling", what="ingest, one process and two", figures=figures, ratio=two / one)]


async def drain(world: World, scale: Scale) -> list[Row]:
    """Events acted on by one worker that finds them all in the inbox."""
    count, database = scale(3000, 200), world.database()
    persons = people(database, 50)
    async with world.relay(database, "serve", "--no-worker") as relay:
        batches = [
            signed(*(update(persons[n % 50], n) for n in range(start, start + 100))) for start in range(0, count, 100)
        ]
        await closed_loop(posting(relay.url + ENODE, batches), requests=len(batches), at_once=4)
    async with world.relay(database, "work") as worker:
        began, first = time.perf_counter(), None
        while left := pending(database):
            if first is None and left < count:
                first = time.perf_counter(), left
            assert time.perf_counter() - began < 120
            await asyncio.sleep(0.02)
        took = time.perf_counter() - (first[0] if first else began)
        cpu = worker.cpu_seconds
    acted = first[1] if first else count
    figures = f"{acted / took:.0f} events/s, {cpu / count * 1e3:.2f} ms CPU an event with its start"
    return [Row(bench="drain", what=f"{count} events of 50 cars, one worker", figures=figures)]


async def metering(world: World, scale: Scale) -> list[Row]:
    """What a metered call, and telling what was used, cost with an empty history and with a long one of the same user.

    Both side by side, in turns: two databases, two relays.
    """
    history, turns, requests = scale(10_000_000, 20_000), scale(12, 3), scale(150, 20)
    databases = world.database(), world.database()
    persons = [people(it, 1)[0] for it in databases]
    remember(databases[1], persons[1], history)
    took: dict[str, tuple[list[Outcome], list[Outcome]]] = {"/api/ha/v2/vehicles": ([], []), "/api/me/usage": ([], [])}
    async with (
        world.relay(databases[0], "serve", "--no-worker") as young,
        world.relay(databases[1], "serve", "--no-worker") as old,
    ):
        for number in range(turns + 1):  # the first warms up
            for path, sides in took.items():
                # Telling is free, so only 60 a minute are answered, which is enough of it.
                count = requests if "vehicles" in path else 4
                both = list(zip((young, old), persons, sides, strict=True))
                # Neither is always the first: what else the machine does would be told as a difference.
                for server, person, into in both if number % 2 else reversed(both):

                    async def ask(http, _number: int, at=server.url + path, headers=person.headers) -> None:
                        async with http.get(at, headers=headers) as answer:
                            assert answer.status == 200, answer.status
                            await answer.read()

                    outcome = await closed_loop(ask, requests=count, at_once=4)
                    if number:
                        into.append(outcome)
    rows = []
    for path, sides in took.items():
        empty, full = (statistics.median(it.percentile(0.5) for it in side) for side in sides)
        budget = 1.1 if "vehicles" in path else None
        figures = f"median {empty:.2f} ms empty, {full:.2f} ms after {history:,} calls"
        rows.append(Row(bench="metering", what=f"GET {path}", figures=figures, ratio=full / empty, budget=budget))
    return rows


def remember(database: str, person: Person, history: int) -> None:
    """So many calls of this person, over a year, with all their books."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("set search_path to evconduit; set synchronous_commit = off")
        connection.execute("set session_replication_role = replica")  # no look at the user for each row
        connection.execute("update users set quota_anchor = date_trunc('month', now()) - interval '1 year'")
        for start in range(0, history, 1_000_000):
            connection.execute(
                "insert into poll_logs (user_id, endpoint, paid_by, period, created_at) "
                "select %s, 'v2/vehicles', 'allowance', date_trunc('month', at), at "
                "from (select now() - it * interval '3 seconds' as at from generate_series(%s::int, %s::int) it)",
                [person.id, start + 1, min(history, start + 1_000_000)],
            )
        connection.execute(
            "insert into usage_days (user_id, period, day, endpoint, calls) "
            "select user_id, period, created_at::date, endpoint, count(*) from poll_logs group by 1, 2, 3, 4"
        )
        connection.execute("insert into usage_months select user_id, period, sum(calls) from usage_days group by 1, 2")
        connection.execute("vacuum analyze poll_logs")
        connection.execute("checkpoint")


def pending(database: str) -> int:
    """Events that nobody has acted on."""
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute("select count(*) from evconduit.webhook_logs where state = 'pending'").fetchone()
    return int(row[0]) if row else 0


async def settled(database: str) -> None:
    """Wait until everything has been acted on."""
    async with asyncio.timeout(60):
        while await asyncio.to_thread(pending, database):
            await asyncio.sleep(0.05)
