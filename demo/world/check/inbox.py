"""Compare the simulator's deliveries with the relay's inbox, event by event."""

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


async def wait_until_all_delivered(context: CheckContext) -> None:
    """Wait until the simulator has no pending events."""

    async def is_quiet() -> bool:
        pending: int = (await context.world.simulator.get_health())["pending_events"]
        return pending == 0

    await poll_until("all events to be delivered", is_quiet, within=DELIVERY_SECONDS)


async def compare_inbox(context: CheckContext) -> str:
    """Expect each delivered event exactly once in the inbox, nothing else, and all of them processed.

    Heartbeats are sent at any time, even at speed 0. Therefore the inbox must contain all deliveries listed before
    reading it, and only events listed after.
    """
    simulator = context.world.simulator
    conninfo = await context.world.relay.run_command("database", "url")
    deliveries = await simulator.list_deliveries()
    given_up = sum(delivery["state"] == "failed" for delivery in deliveries)
    expect(not given_up, "every delivery to have arrived", f"{given_up} given up by the simulator")
    delivered = [delivery for delivery in deliveries if delivery["state"] == "delivered"]
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        rows = await (await connection.execute(SELECT_RECEIVED)).fetchall()
        sent = _count_events(await simulator.list_deliveries())
        await poll_until("all events to be processed", partial(_is_all_processed, connection), within=DELIVERY_SECONDS)
    stored = Counter(_serialize(payload) for (payload,) in rows)
    arrived = _count_events(delivered)
    missing, unsent = arrived - stored, stored - sent
    expect(
        not missing and not unsent,
        f"{arrived.total()} events in the inbox, each once",
        f"{stored.total()}: {missing.total()} missing, {unsent.total()} not sent",
    )
    retried = sum(delivery["attempts"] > 1 for delivery in delivered)
    return f"{arrived.total()} events sent, each stored once, {retried} deliveries retried"


async def _is_all_processed(connection: psycopg.AsyncConnection) -> bool:
    return await (await connection.execute(SELECT_UNPROCESSED)).fetchone() is None


def _count_events(deliveries: list[Json]) -> Counter[str]:
    """Count each event once, regardless of delivery attempts."""
    return Counter({_serialize(event) for delivery in deliveries for event in delivery["events"]})


def _serialize(event: Json) -> str:
    return json.dumps(event, sort_keys=True)
