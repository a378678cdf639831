"""Drainers with an event handler of a test, numbered events, and the states that they end in."""

from collections import Counter

from relay.usecases.events.drain_inbox import InboxDrainer
from tests.relay.support.enode_events import VIN_KEY, at, make_event


def create_drainer(pipeline, apply_event):
    return InboxDrainer(pipeline.pool, wake=pipeline.feed_wakes.extend, vin_key=VIN_KEY, apply_event=apply_event)


def make_numbered_event(user_id, seconds, n):
    return make_event("user:vehicle:updated", at(seconds), user_id, n=n)


async def count_states(pipeline):
    return Counter((row["state"], row["reason"]) for row in await pipeline.list_inbox_rows())
