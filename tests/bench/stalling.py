"""Ours against the plain design, with a receiver that answers and with one that stalls."""

import asyncio
from contextlib import asynccontextmanager

from aiohttp import web

from tests.bench.cases import ENODE, Scale, deliveries
from tests.bench.load import Outcome, open_loop, posting, session
from tests.bench.report import Row
from tests.bench.world import Person, World, free_port, people

STALL_SECONDS = 2.0
PER_SECOND = 50


class Receiver:
    """A Home Assistant that is POSTed to."""

    def __init__(self) -> None:
        self.stalls = False
        self.posts = 0

    async def take(self, request: web.Request) -> web.Response:
        await request.read()
        self.posts += 1
        if self.stalls:
            await asyncio.sleep(STALL_SECONDS)
        return web.json_response({"ack": request.headers.get("webhook-id", "")})


@asynccontextmanager
async def receiving(receiver: Receiver):
    """The address of the receiver."""
    app, port = web.Application(), free_port()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/hook"
    finally:
        await runner.cleanup()


async def peer(world: World, scale: Scale) -> list[Row]:
    """Time until Enode has its 2xx, at the same pace of the same events."""
    count, receiver = scale(300, 50), Receiver()
    database, plain = world.database(), world.database()
    persons, theirs = people(database, 20), people(plain, 20)
    rows = []
    async with (
        receiving(receiver) as hook,
        world.relay(database, "serve") as relay,
        world.module("tests.bench.peer", plain, BENCH_RECEIVER=hook) as other,
    ):
        await register(relay.url, persons, hook)
        for stalls in (False, True):
            receiver.stalls = stalls
            mine = await paced(relay.url + ENODE, persons, count, start=count * stalls)
            its = await paced(other.url + "/webhook", theirs, count, start=count * stalls)
            how = f"its receiver stalls for {STALL_SECONDS:g} s" if stalls else "its receiver answers at once"
            figures = (
                f"p50 {mine.percentile(0.5):.1f} ms, p99 {mine.percentile(0.99):.1f} ms; plain design p50 "
                f"{its.percentile(0.5):.1f} ms, p99 {its.percentile(0.99):.1f} ms"
            )
            ratio = its.percentile(0.5) / mine.percentile(0.5)
            what = f"time to 2xx at {PER_SECOND} events/s, {how} (ratio: plain to ours)"
            rows.append(Row(bench="peer", what=what, figures=figures, ratio=ratio, budget=1, at_least=True))
    return rows


async def register(url: str, persons: list[Person], hook: str) -> None:
    """Each of these people's Home Assistants is the receiver."""
    async with session(4) as http:
        for person in persons:
            async with http.put(f"{url}/api/ha/v2/endpoint", json={"url": hook}, headers=person.headers) as answer:
                assert answer.status == 200, await answer.text()


async def paced(url: str, persons: list[Person], count: int, *, start: int) -> Outcome:
    """The events at their pace."""
    made = deliveries(persons, count, start)
    return await open_loop(posting(url, made), requests=count, per_second=PER_SECOND)
