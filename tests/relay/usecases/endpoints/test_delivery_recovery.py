"""Random failures of receivers and processes: every transition still arrives in order, and the state is the newest."""

import asyncio
import random
from datetime import timedelta

from aiohttp import web

from relay.usecases.endpoints.deliver_to_endpoints import Deliverer, DeliveryRules
from tests.relay.support.endpoints import (
    SECRET_KEY,
    acknowledge,
    get_endpoint_record,
    make_due,
    register_receiver,
    respond_with,
    run_sql,
)
from tests.relay.support.feed import add_transition, add_user, put_vehicle, run_in_background

RULES = DeliveryRules(sweep_interval=timedelta(milliseconds=50))
ROUNDS = 25


class HomeAssistant:
    """Applies messages as the integration does, and fails about half of the requests."""

    def __init__(self, rng: random.Random):
        self.rng = rng
        self.cursor = 0
        self.transitions: list[int] = []
        self.levels: dict[str, tuple[int, int]] = {}
        self.gaps = 0

    async def answer(self, post, request):
        roll = self.rng.random()
        if roll < 0.3:
            return await self.rng.choice(
                [
                    respond_with("", 500),
                    respond_with("OK"),
                    respond_with("", 302, Location="/x"),
                    respond_with('{"ack": 1}'),
                ]
            )(post, request)
        for message in post.json["messages"]:
            self.apply(message)
        if roll < 0.5:  # applied, but the response is lost
            request.transport.abort()
            return web.Response()
        return await acknowledge(post, request)

    def apply(self, message):
        seq, data = int(message["id"].partition(".")[2]), message["data"]
        match message["event"]:
            case "snapshot":
                self.gaps += data.get("gap", False)
                for record in data["vehicles"]:
                    self.apply_vehicle(record)
            case "vehicle":
                self.apply_vehicle(data)
            case "transition" if seq > self.cursor:
                self.transitions.append(seq)
        self.cursor = max(self.cursor, seq)

    def apply_vehicle(self, record):
        newest = (record["revision"], record["vehicle"]["chargeState"]["batteryLevel"])
        self.levels[record["id"]] = max(newest, self.levels.get(record["id"], newest))


async def test_every_transition_arrives_in_order_and_the_state_is_the_newest(pool, client, runtime, receiver):
    rng = random.Random(2026)  # noqa: S311 - reproducible
    home = HomeAssistant(rng)
    ada = await add_user(pool)
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    await register_receiver(client, ada, receiver)
    seqs = []

    def run_deliverer():
        deliverer = Deliverer(pool, runtime.outbound, secret_key=SECRET_KEY, version="1", rules=RULES)
        runtime.feed_waker.add_callback(deliverer.add_hint)
        return deliverer.run()

    async with run_in_background(run_deliverer()):
        async with asyncio.timeout(10):
            while (await get_endpoint_record(client, ada))["pending"]:
                await asyncio.sleep(0.01)
    home.cursor = int(receiver.posts[-1].json["cursor"].partition(".")[2])
    receiver.answer = home.answer
    for level in range(ROUNDS):
        async with run_in_background(run_deliverer(), run_deliverer()):
            seqs += [await add_transition(pool, ada.id, vehicle_id) for _ in range(rng.randrange(4))]
            _, newest = await put_vehicle(pool, ada.id, vehicle_id, level=level)
            runtime.feed_waker.wake([ada.id])
            await make_due(pool)
            await asyncio.sleep(rng.random() * 0.05)
        # The processes are gone. In half of the rounds, a lease is left behind.
        if rng.random() < 0.5:
            await run_sql(
                pool, "update endpoints set lease_token = gen_random_uuid(), leased_until = now() + interval '0.1 s'"
            )
    async with run_in_background(run_deliverer(), run_deliverer()), asyncio.timeout(20):
        while (await get_endpoint_record(client, ada))["pending"]:
            await make_due(pool)
            await asyncio.sleep(0.01)
    assert home.transitions == seqs
    assert home.levels == {str(vehicle_id): (newest, ROUNDS - 1)}
    assert home.gaps == 0
    assert (await get_endpoint_record(client, ada))["failing_since"] is None
