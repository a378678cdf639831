"""Bringing events to webhooks: in order, in batches, signed, again and again until they are taken or given up."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import httpx

from demo.enode import events
from demo.enode.background import end, spawn
from demo.enode.clock import Clock
from demo.enode.mischief import Extra, Mischief, release
from demo.enode.noise import BATCH, encode
from demo.enode.problems import Json
from demo.enode.signing import signature
from demo.enode.sim import Delays
from demo.enode.subscriptions import wants
from demo.enode.world import Delivery, Queue, Webhook, World

GATHER_SECONDS = 0.02  # SIM: what happens within a moment travels together
KEPT_DELIVERIES = 20_000
SHOWN_BODY = 2000
DRIPS = 10
OTHER_SECRET = "not the secret of any webhook"  # noqa: S105  # what a forger signs with


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a webhook said to a delivery; `code` None: nothing."""

    code: int | None
    body: str = ""
    headers: tuple[str, ...] = ()

    @property
    def taken(self) -> bool:
        """Whether the delivery counts as delivered."""
        return self.code is not None and httpx.codes.is_success(self.code)


@dataclass(slots=True, kw_only=True)
class PostOffice:
    """Queues of all webhooks, one carrier task for each. Holds the deliveries of the recent past for looking at."""

    world: World
    clock: Clock
    delays: Delays
    http: httpx.AsyncClient
    mischief: Mischief = field(default_factory=Mischief)
    recent: OrderedDict[str, Delivery] = field(default_factory=OrderedDict)
    _carriers: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _calls: dict[str, asyncio.Event] = field(default_factory=dict)

    def post(self, event: Json) -> None:
        """Queue an event for every webhook that wants it."""
        for webhook in self.world.webhooks.values():
            if wants(webhook, event["event"]):
                queue = self.world.queues[webhook.id]
                self.world.queues[webhook.id] = self.mischief.enqueue(queue, event)
                self.call(webhook.id)

    def call(self, webhook_id: str) -> None:
        """Have a webhook's carrier look at its queue now, even if it waits for the next attempt."""
        if webhook_id not in self._carriers:
            self._calls[webhook_id] = asyncio.Event()
            self._carriers[webhook_id] = spawn(self._carry(webhook_id))
        queue = self.world.queues[webhook_id]
        if queue.failing_since is None:
            self._calls[webhook_id].set()

    def retry_now(self, webhook_id: str) -> None:
        """A webhook was changed or answered a test: what failed before is tried again at once."""
        queue = self.world.queues[webhook_id]
        self.world.queues[webhook_id] = replace(queue, failing_since=None)
        self.call(webhook_id)

    async def drop(self, webhook_id: str) -> None:
        """A webhook was deleted: nothing more goes there."""
        carrier = self._carriers.pop(webhook_id, None)
        self._calls.pop(webhook_id, None)
        self.world.queues.pop(webhook_id, None)
        if carrier is not None:
            await end(carrier)

    def pending(self) -> int:
        """Events that some webhook has yet to take."""
        queues = self.world.queues.values()
        return sum(len(it.waiting) + len(it.held) + (len(it.current.events) if it.current else 0) for it in queues)

    def let_go(self) -> None:
        """Mischief changed: what was held back by it goes out."""
        for webhook_id, queue in self.world.queues.items():
            self.world.queues[webhook_id] = release(queue)
            self.call(webhook_id)

    def beat(self) -> None:
        """Queue a heartbeat for every webhook."""
        self.post(events.heartbeat(self.clock.new_moment(), self.pending()))

    async def test(self, webhook: Webhook) -> Answer:
        """Send a test event now, past the queue."""
        delivery = self._pack(webhook.id, (events.webhook_test(self.clock.new_moment()),))
        answer = await self._attempt(webhook, delivery)
        self._file(replace(delivery, state="delivered" if answer.taken else "failed", attempts=1))
        return answer

    def start(self) -> None:
        """Take up the queues of a loaded world."""
        for webhook_id in self.world.webhooks:
            queue = self.world.queues.setdefault(webhook_id, Queue())
            if queue.current is not None:
                self._file(queue.current)
            self.retry_now(webhook_id)

    async def stop(self) -> None:
        """End all carriers; what is undelivered stays queued."""
        for carrier in self._carriers.values():
            await end(carrier)
        self._carriers.clear()
        self._calls.clear()

    async def _carry(self, webhook_id: str) -> None:
        called = self._calls[webhook_id]
        while True:
            await called.wait()
            await asyncio.sleep(GATHER_SECONDS)
            called.clear()
            while self._has_work(webhook_id):
                await self._deliver(webhook_id, called)

    def _has_work(self, webhook_id: str) -> bool:
        queue = self.world.queues[webhook_id]
        enough = len(queue.waiting) >= max(1, self.mischief.wish.batch)
        return self.world.webhooks[webhook_id].is_active and (queue.current is not None or enough)

    async def _deliver(self, webhook_id: str, called: asyncio.Event) -> None:
        queue = self.world.queues[webhook_id]
        if queue.current is None:
            delivery = self._pack(webhook_id, queue.waiting[:BATCH])
            self.world.queues[webhook_id] = replace(queue, current=delivery, waiting=queue.waiting[BATCH:])
        else:
            delivery = queue.current
        webhook = self.world.webhooks[webhook_id]
        for extra in self.mischief.extras(delivery.events, self.clock.new_moment()):
            await self._pester(webhook, extra)
        answer = await self._attempt(webhook, delivery, seconds=self.mischief.drips())
        delivery = replace(delivery, attempts=delivery.attempts + 1)
        if answer.taken:
            self._succeed(webhook_id, delivery)
            if self.mischief.repeats():
                self.mischief.note("repeat_delivery", (await self._attempt(webhook, delivery)).code)
        elif self.world.webhooks[webhook_id] is webhook:
            await self._fail(webhook_id, delivery, called)
        else:  # it was changed meanwhile: what failed is no longer what it is
            self._file(delivery)
            self.world.queues[webhook_id] = replace(self.world.queues[webhook_id], current=delivery)

    def _succeed(self, webhook_id: str, delivery: Delivery) -> None:
        self._file(replace(delivery, state="delivered"))
        queue = self.world.queues[webhook_id]
        self.world.queues[webhook_id] = replace(
            self.mischief.after(queue, delivery.events), current=None, failing_since=None
        )
        webhook = self.world.webhooks[webhook_id]
        self.world.webhooks[webhook_id] = replace(webhook, last_success=self.clock.new_moment())

    async def _fail(self, webhook_id: str, delivery: Delivery, called: asyncio.Event) -> None:
        queue = self.world.queues[webhook_id]
        since = self.clock.seconds if queue.failing_since is None else queue.failing_since
        if self.clock.seconds - since >= self.delays.give_up:
            self._give_up(webhook_id, delivery)
            return
        self._file(delivery)
        self.world.queues[webhook_id] = replace(queue, current=delivery, failing_since=since)
        wait = self.delays.retries[min(delivery.attempts, len(self.delays.retries)) - 1]
        called.clear()
        await self.clock.reach(self.clock.seconds + wait, or_event=called)
        called.clear()

    def _give_up(self, webhook_id: str, delivery: Delivery) -> None:
        # As Enode documents it: what is pending is deleted, and nothing more is sent until the client reactivates.
        self._file(replace(delivery, state="failed"))
        self.world.queues[webhook_id] = Queue()
        webhook = self.world.webhooks[webhook_id]
        self.world.webhooks[webhook_id] = replace(webhook, is_active=False)

    def _pack(self, webhook_id: str, batch: tuple[Json, ...]) -> Delivery:
        delivery = Delivery(id=self.world.new_id(), webhook_id=webhook_id, created_at=self.clock.now(), events=batch)
        self._file(delivery)
        return delivery

    def _file(self, delivery: Delivery) -> None:
        self.recent[delivery.id] = delivery
        while len(self.recent) > KEPT_DELIVERIES:
            self.recent.popitem(last=False)

    async def _pester(self, webhook: Webhook, extra: Extra) -> None:
        secret = OTHER_SECRET if extra.forged else webhook.secret
        answer = await self._send(webhook, self.world.new_id(), extra.body, secret=secret)
        self.mischief.note(extra.trick, answer.code)

    async def _attempt(self, webhook: Webhook, delivery: Delivery, *, seconds: float = 0.0) -> Answer:
        # SIM: the delivery's id is kept by retries
        return await self._send(webhook, delivery.id, encode(delivery.events), secret=webhook.secret, seconds=seconds)

    async def _send(self, webhook: Webhook, name: str, body: bytes, *, secret: str, seconds: float = 0.0) -> Answer:
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "x-enode-delivery": name,
            "x-enode-signature": signature(secret, body),
        }
        if webhook.header_name is not None and webhook.header_value is not None:
            headers[webhook.header_name] = webhook.header_value
        content = body if not seconds else _drip(body, seconds)
        try:
            async with asyncio.timeout(self.delays.answer_within):
                response = await self.http.post(webhook.url, content=content, headers=headers)
        except httpx.HTTPError, httpx.InvalidURL, TimeoutError:
            return Answer(code=None)
        shown = tuple(f"{name}: {value}" for name, value in response.headers.items())
        return Answer(code=response.status_code, body=response.text[:SHOWN_BODY], headers=shown)


async def _drip(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    size = len(body) // DRIPS + 1
    for start in range(0, len(body), size):
        await asyncio.sleep(seconds / DRIPS)
        yield body[start : start + size]
