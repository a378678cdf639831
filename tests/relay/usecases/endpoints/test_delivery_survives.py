"""Whatever a receiver answers, whenever a process dies: every transition arrives in order, and the state is true."""

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
from tests.relay.support.feed import add_transition, add_user, put_vehicle, running

RULES = DeliveryRules(sweep_interval=timedelta(milliseconds=50))
ROUNDS = 25


class HomeAssistant:
    """Applies messages by the rules of the stream, and is unlucky more often than not."""

    def __init__(self, luck: random.Random):
        self.luck = luck
        self.cursor = 0
        self.transitions: list[int] = []
        self.levels: dict[str, tuple[int, int]] = {}
        self.gaps = 0

    async def answer(self, post, request):
        fate = self.luck.random()
        if fate < 0.3:
            return await self.luck.choice(
                [
                    respond_with("", 500),
                    respond_with("OK"),
                    respond_with("", 302, Location="/x"),
                    respond_with('{"ack": 1}'),
                ]
            )(post, request)
        for message in post.json["messages"]:
            self.apply(message)
        if fate < 0.5:  # applied, but the answer is lost
            request.transport.abort()
            return web.Response()
        return await acknowledge(post, request)

    def apply(self, message):
        seq, data = int(message["id"].partition(".")[2]), message["data"]
        match message["event"]:
            case "snapshot":
                self.gaps += data.get("gap", False)
                for record in data["vehicles"]:
                    self.see(record)
            case "vehicle":
                self.see(data)
            case "transition" if seq > self.cursor:
                self.transitions.append(seq)
        self.cursor = max(self.cursor, seq)

    def see(self, record):
        newest = (record["revision"], record["vehicle"]["chargeState"]["batteryLevel"])
        self.levels[record["id"]] = max(newest, self.levels.get(record["id"], newest))


async def test_every_transition_arrives_in_order_and_the_state_is_the_newest(pool, client, runtime, receiver):
    luck = random.Random(2026)  # noqa: S311 - the same each time
    home = HomeAssistant(luck)
    ada = await add_user(pool)
    car, _ = await put_vehicle(pool, ada.id)
    await register_receiver(client, ada, receiver)
    seqs = []

    def worker():
        it = Deliverer(pool, runtime.outbound, secret_key=SECRET_KEY, version="1", rules=RULES)
        runtime.feed_waker.add_callback(it.add_hint)
        return it.run()

    async with running(worker()):
        async with asyncio.timeout(10):
            while (await get_endpoint_record(client, ada))["pending"]:
                await asyncio.sleep(0.01)
    home.cursor = int(receiver.posts[-1].json["cursor"].partition(".")[2])
    receiver.answer = home.answer
    for level in range(ROUNDS):
        async with running(worker(), worker()):
            seqs += [await add_transition(pool, ada.id, car) for _ in range(luck.randrange(4))]
            _, newest = await put_vehicle(pool, ada.id, car, level=level)
            runtime.feed_waker.wake([ada.id])
            await make_due(pool)
            await asyncio.sleep(luck.random() * 0.05)
        # The processes have died. Some did not even give their lease back.
        if luck.random() < 0.5:
            await run_sql(
                pool, "update endpoints set lease_token = gen_random_uuid(), leased_until = now() + interval '0.1 s'"
            )
    async with running(worker(), worker()), asyncio.timeout(20):
        while (await get_endpoint_record(client, ada))["pending"]:
            await make_due(pool)
            await asyncio.sleep(0.01)
    assert home.transitions == seqs
    assert home.levels == {str(car): (newest, ROUNDS - 1)}
    assert home.gaps == 0
    assert (await get_endpoint_record(client, ada))["failing_since"] is None
