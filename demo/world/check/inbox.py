"""Compares what the simulator has delivered with what the relay's inbox holds, event by event."""

import json
from collections import Counter
from functools import partial

import psycopg

from demo.world.check.bench import Bench, demand
from demo.world.hass_api import Json
from demo.world.tries import until

ARRIVE_SECONDS = 60.0
INBOX = "select payload from evconduit.webhook_logs where source = 'webhook'"
UNSETTLED = "select 1 from evconduit.webhook_logs where state not in ('done', 'ignored')"


async def until_all_delivered(bench: Bench) -> None:
    """Wait until the simulator has nothing left to deliver."""

    async def is_quiet() -> bool:
        pending: int = (await bench.world.simulator.health())["pending_events"]
        return pending == 0

    await until("all events to be delivered", is_quiet, within=ARRIVE_SECONDS)


async def compare_inbox(bench: Bench) -> str:
    """Demand that the inbox holds each delivered event exactly once and nothing else, all of them acted on.

    A heartbeat comes when it likes, even while the clock stands: what is in the inbox must be among what was sent
    afterwards, and hold what was sent before.
    """
    simulator = bench.world.simulator
    conninfo = await bench.world.relay.command("database", "url")
    deliveries = await simulator.deliveries()
    given_up = sum(it["state"] == "failed" for it in deliveries)
    demand(not given_up, "every delivery to have arrived", f"{given_up} that the simulator gave up")
    delivered = [it for it in deliveries if it["state"] == "delivered"]
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        rows = await (await connection.execute(INBOX)).fetchall()
        sent = _events(await simulator.deliveries())
        await until("all events to be acted on", partial(_is_settled, connection), within=ARRIVE_SECONDS)
    kept = Counter(_canonical(payload) for (payload,) in rows)
    arrived = _events(delivered)
    missing, unsent = arrived - kept, kept - sent
    demand(
        not missing and not unsent,
        f"{arrived.total()} events in the inbox, each once",
        f"{kept.total()}: {missing.total()} missing, {unsent.total()} not sent",
    )
    retried = sum(it["attempts"] > 1 for it in delivered)
    return f"{arrived.total()} events sent, each kept once, {retried} deliveries tried again"


async def _is_settled(connection: psycopg.AsyncConnection) -> bool:
    return await (await connection.execute(UNSETTLED)).fetchone() is None


def _events(deliveries: list[Json]) -> Counter[str]:
    """Each event once, however often its delivery was tried."""
    return Counter({_canonical(event) for it in deliveries for event in it["events"]})


def _canonical(event: Json) -> str:
    return json.dumps(event, sort_keys=True)
