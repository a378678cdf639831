"""Compares what the simulator has delivered with what the relay's inbox holds, event by event."""

import json
from collections import Counter
from dataclasses import dataclass

import psycopg

from demo.world.check.bench import Bench, demand
from demo.world.hass_api import Json
from demo.world.tries import until

ARRIVE_SECONDS = 60.0
INBOX = "select payload from evconduit.webhook_logs where source = 'webhook'"
UNSETTLED = "select state, count(*) from evconduit.webhook_logs where state not in ('done', 'ignored') group by state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What the simulator has sent."""

    events: Counter[str]
    unfinished: list[str]
    retried: int


async def until_all_delivered(bench: Bench) -> None:
    """Wait until the simulator has nothing left to deliver."""

    async def is_quiet() -> bool:
        pending: int = (await bench.world.simulator.health())["pending_events"]
        return pending == 0

    await until("all events to be delivered", is_quiet, within=ARRIVE_SECONDS)


async def compare_inbox(bench: Bench) -> str:
    """Demand that the inbox holds each delivered event exactly once and nothing else, all of them acted on."""
    sent = _read(await bench.world.simulator.deliveries())
    demand(not sent.unfinished, "every delivery to have arrived", f"{len(sent.unfinished)} that did not")
    conninfo = await bench.world.relay.command("database", "url")
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        rows = await (await connection.execute(INBOX)).fetchall()
        unsettled = await (await connection.execute(UNSETTLED)).fetchall()
    kept = Counter(_canonical(payload) for (payload,) in rows)
    demand(kept == sent.events, f"{sent.events.total()} events in the inbox, each once", _difference(sent.events, kept))
    demand(not unsettled, "all of them acted on", dict(unsettled))
    return f"{kept.total()} events sent, {kept.total()} kept, {sent.retried} deliveries tried again"


def _read(deliveries: list[Json]) -> Delivered:
    return Delivered(
        # An event is one however often its delivery was tried.
        events=Counter({_canonical(event) for delivery in deliveries for event in delivery["events"]}),
        unfinished=[delivery["id"] for delivery in deliveries if delivery["state"] != "delivered"],
        retried=sum(delivery["attempts"] > 1 for delivery in deliveries),
    )


def _canonical(event: Json) -> str:
    return json.dumps(event, sort_keys=True)


def _difference(sent: Counter[str], kept: Counter[str]) -> str:
    return f"{kept.total()}: {(sent - kept).total()} missing, {(kept - sent).total()} not sent"
