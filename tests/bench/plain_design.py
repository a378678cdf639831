"""The relay against the plain design (peer.py), with a webhook receiver that responds and with one that stalls."""

import asyncio
from contextlib import asynccontextmanager

from aiohttp import web

from tests.bench.cases import ENODE_WEBHOOK_PATH, Scale, build_deliveries
from tests.bench.environment import Account, Environment, create_accounts, find_free_port
from tests.bench.load import LoadResult, open_session, post_in_turn, run_open_loop
from tests.bench.report import Row

STALL_SECONDS = 2.0
PER_SECOND = 50


class Receiver:
    """A Home Assistant that receives POSTs."""

    def __init__(self) -> None:
        self.stalls = False
        self.posts = 0

    async def handle(self, request: web.Request) -> web.Response:
        await request.read()
        self.posts += 1
        if self.stalls:
            await asyncio.sleep(STALL_SECONDS)
        return web.json_response({"ack": request.headers.get("webhook-id", "")})


@asynccontextmanager
async def run_receiver(receiver: Receiver):
    """Serve the receiver and yield its URL."""
    app, port = web.Application(), find_free_port()
    app.router.add_post("/hook", receiver.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/hook"
    finally:
        await runner.cleanup()


async def measure_peer(environment: Environment, scale: Scale) -> list[Row]:
    """Measure the time until Enode has its 2xx, for the same events at the same rate."""
    count, receiver = scale(300, 50, 10), Receiver()
    database, peer_database = environment.create_database(), environment.create_database(shared=False)
    accounts, peer_accounts = create_accounts(database, 20), create_accounts(peer_database, 20)
    rows = []
    async with (
        run_receiver(receiver) as receiver_url,
        environment.run_relay(database, "serve") as relay,
        environment.run_module("tests.bench.peer", peer_database, BENCH_RECEIVER=receiver_url) as peer,
    ):
        await register_endpoints(relay.url, accounts, receiver_url)
        for stalls in (False, True):
            receiver.stalls = stalls
            ours = await post_events(relay.url + ENODE_WEBHOOK_PATH, accounts, count, start=count * stalls)
            theirs = await post_events(peer.url + "/webhook", peer_accounts, count, start=count * stalls)
            how = f"its receiver stalls for {STALL_SECONDS:g} s" if stalls else "its receiver answers immediately"
            figures = (
                f"p50 {ours.percentile(0.5):.1f} ms, p99 {ours.percentile(0.99):.1f} ms; plain design p50 "
                f"{theirs.percentile(0.5):.1f} ms, p99 {theirs.percentile(0.99):.1f} ms"
            )
            ratio = theirs.percentile(0.5) / ours.percentile(0.5)
            what = f"time to 2xx at {PER_SECOND} events/s, {how} (ratio: plain to ours)"
            rows.append(Row(bench="peer", what=what, figures=figures, ratio=ratio, budget=1, at_least=True))
    return rows


async def register_endpoints(url: str, accounts: list[Account], receiver_url: str) -> None:
    """Register the receiver as the endpoint of each account."""
    async with open_session(4) as http:
        for account in accounts:
            endpoint = {"url": receiver_url}
            async with http.put(f"{url}/api/ha/v2/endpoint", json=endpoint, headers=account.headers) as response:
                assert response.status == 200, await response.text()


async def post_events(url: str, accounts: list[Account], count: int, *, start: int) -> LoadResult:
    """Post events at a rate of PER_SECOND."""
    bodies = build_deliveries(accounts, count, start)
    return await run_open_loop(post_in_turn(url, bodies), requests=count, per_second=PER_SECOND)
