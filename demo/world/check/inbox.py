"""Compares what the simulator has delivered with what the relay's inbox holds, event by event."""

import json
from collections import Counter
from functools import partial

import psycopg

from demo.world.check.context import CheckContext, expect
from demo.world.hass_api import Json
from demo.world.polling import poll_until

DELIVERY_SECONDS = 60.0
SELECT_RECEIVED = "select payload from evconduit.webhook_logs where source = 'webhook'"
SELECT_UNPROCESSED = "select 1 from evconduit.webhook_logs where state not in ('done', 'ignored')"


async def wait_until_all_delivered(bench: CheckContext) -> None:
    """Wait until the simulator has nothing left to deliver."""

    async def is_quiet() -> bool:
        pending: int = (await bench.world.simulator.get_health())["pending_events"]
        return pending == 0

    await poll_until("all events to be delivered", is_quiet, within=DELIVERY_SECONDS)


async def compare_inbox(bench: CheckContext) -> str:
    """Demand that the inbox holds each delivered event exactly once and nothing else, all of them acted on.

    A heartbeat comes when it likes, even while the clock stands: what is in the inbox must be among what was sent
    afterwards, and hold what was sent before.
    """
    simulator = bench.world.simulator
    conninfo = await bench.world.relay.run_command("database", "url")
    deliveries = await simulator.list_deliveries()
    given_up = sum(it["state"] == "failed" for it in deliveries)
    expect(not given_up, "every delivery to have arrived", f"{given_up} that the simulator gave up")
    delivered = [it for it in deliveries if it["state"] == "delivered"]
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        rows = await (await connection.execute(SELECT_RECEIVED)).fetchall()
        sent = _count_events(await simulator.list_deliveries())
        await poll_until("all events to be acted on", partial(_is_all_processed, connection), within=DELIVERY_SECONDS)
    kept = Counter(_serialize(payload) for (payload,) in rows)
    arrived = _count_events(delivered)
    missing, unsent = arrived - kept, kept - sent
    expect(
        not missing and not unsent,
        f"{arrived.total()} events in the inbox, each once",
        f"{kept.total()}: {missing.total()} missing, {unsent.total()} not sent",
    )
    retried = sum(it["attempts"] > 1 for it in delivered)
    return f"{arrived.total()} events sent, each kept once, {retried} deliveries tried again"


async def _is_all_processed(connection: psycopg.AsyncConnection) -> bool:
    return await (await connection.execute(SELECT_UNPROCESSED)).fetchone() is None


def _count_events(deliveries: list[Json]) -> Counter[str]:
    """Each event once, however often its delivery was tried."""
    return Counter({_serialize(event) for it in deliveries for event in it["events"]})


def _serialize(event: Json) -> str:
    return json.dumps(event, sort_keys=True)
