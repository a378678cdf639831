"""Bringing events to webhooks: in order, in batches, signed, again and again until they are taken or given up."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import httpx

from demo.enode import events
from demo.enode.background_tasks import cancel_task, start_task
from demo.enode.clock import Clock
from demo.enode.delivery_faults import DeliveryFaults, ExtraPost, release_held_events
from demo.enode.malformed_bodies import MAX_BATCH_SIZE, encode_events
from demo.enode.problems import Json
from demo.enode.signing import sign
from demo.enode.simulator import Delays
from demo.enode.webhook_subscriptions import accepts_event
from demo.enode.world import Delivery, WebhookQueue, WebhookSubscription, World

BATCHING_SECONDS = 0.02  # SIM: what happens within a moment travels together
MAX_DELIVERIES = 20_000
MAX_SHOWN_BODY = 2000
SLOW_CHUNKS = 10
FORGED_SECRET = "not the secret of any webhook"  # noqa: S105  # what a forger signs with


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAnswer:
    """What a webhook said to a delivery; `code` None: nothing."""

    code: int | None
    body: str = ""
    headers: tuple[str, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """Whether the delivery counts as delivered."""
        return self.code is not None and httpx.codes.is_success(self.code)


@dataclass(slots=True, kw_only=True)
class WebhookDispatcher:
    """Queues of all webhooks, one carrier task for each. Holds the deliveries of the recent past for looking at."""

    world: World
    clock: Clock
    delays: Delays
    http: httpx.AsyncClient
    faults: DeliveryFaults = field(default_factory=DeliveryFaults)
    recent: OrderedDict[str, Delivery] = field(default_factory=OrderedDict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _wakeups: dict[str, asyncio.Event] = field(default_factory=dict)

    def publish(self, event: Json) -> None:
        """Queue an event for every webhook that wants it."""
        for webhook in self.world.webhooks.values():
            if accepts_event(webhook, event["event"]):
                queue = self.world.queues[webhook.id]
                self.world.queues[webhook.id] = self.faults.enqueue(queue, event)
                self.wake(webhook.id)

    def wake(self, webhook_id: str) -> None:
        """Have a webhook's carrier look at its queue now, even if it waits for the next attempt."""
        if webhook_id not in self._tasks:
            self._wakeups[webhook_id] = asyncio.Event()
            self._tasks[webhook_id] = start_task(self._run_delivery_loop(webhook_id))
        queue = self.world.queues[webhook_id]
        if queue.failing_since is None:
            self._wakeups[webhook_id].set()

    def retry_now(self, webhook_id: str) -> None:
        """A webhook was changed or answered a test: what failed before is tried again at once."""
        queue = self.world.queues[webhook_id]
        self.world.queues[webhook_id] = replace(queue, failing_since=None)
        self.wake(webhook_id)

    async def remove_webhook(self, webhook_id: str) -> None:
        """A webhook was deleted: nothing more goes there."""
        carrier = self._tasks.pop(webhook_id, None)
        self._wakeups.pop(webhook_id, None)
        self.world.queues.pop(webhook_id, None)
        if carrier is not None:
            await cancel_task(carrier)

    def count_pending_events(self) -> int:
        """Events that some webhook has yet to take."""
        queues = self.world.queues.values()
        return sum(len(it.waiting) + len(it.held) + (len(it.current.events) if it.current else 0) for it in queues)

    def release_held_events(self) -> None:
        """Mischief changed: what was held back by it goes out."""
        for webhook_id, queue in self.world.queues.items():
            self.world.queues[webhook_id] = release_held_events(queue)
            self.wake(webhook_id)

    def publish_heartbeat(self) -> None:
        """Queue a heartbeat for every webhook."""
        self.publish(events.heartbeat(self.clock.next_timestamp(), self.count_pending_events()))

    async def send_test_event(self, webhook: WebhookSubscription) -> WebhookAnswer:
        """Send a test event now, past the queue."""
        delivery = self._create_delivery(webhook.id, (events.webhook_test(self.clock.next_timestamp()),))
        answer = await self._attempt(webhook, delivery)
        self._record(replace(delivery, state="delivered" if answer.is_accepted else "failed", attempts=1))
        return answer

    def start(self) -> None:
        """Take up the queues of a loaded world."""
        for webhook_id in self.world.webhooks:
            queue = self.world.queues.setdefault(webhook_id, WebhookQueue())
            if queue.current is not None:
                self._record(queue.current)
            self.retry_now(webhook_id)

    async def stop(self) -> None:
        """End all carriers; what is undelivered stays queued."""
        for carrier in self._tasks.values():
            await cancel_task(carrier)
        self._tasks.clear()
        self._wakeups.clear()

    async def _run_delivery_loop(self, webhook_id: str) -> None:
        called = self._wakeups[webhook_id]
        while True:
            await called.wait()
            await asyncio.sleep(BATCHING_SECONDS)
            called.clear()
            while self._has_work(webhook_id):
                await self._deliver(webhook_id, called)

    def _has_work(self, webhook_id: str) -> bool:
        queue = self.world.queues[webhook_id]
        enough = len(queue.waiting) >= max(1, self.faults.settings.batch)
        return self.world.webhooks[webhook_id].is_active and (queue.current is not None or enough)

    async def _deliver(self, webhook_id: str, called: asyncio.Event) -> None:
        queue = self.world.queues[webhook_id]
        if queue.current is None:
            delivery = self._create_delivery(webhook_id, queue.waiting[:MAX_BATCH_SIZE])
            self.world.queues[webhook_id] = replace(queue, current=delivery, waiting=queue.waiting[MAX_BATCH_SIZE:])
        else:
            delivery = queue.current
        webhook = self.world.webhooks[webhook_id]
        for extra in self.faults.create_extra_posts(delivery.events, self.clock.next_timestamp()):
            await self._send_extra_post(webhook, extra)
        answer = await self._attempt(webhook, delivery, seconds=self.faults.choose_slow_seconds())
        delivery = replace(delivery, attempts=delivery.attempts + 1)
        if answer.is_accepted:
            self._record_success(webhook_id, delivery)
            if self.faults.should_repeat_delivery():
                self.faults.record_answer("repeat_delivery", (await self._attempt(webhook, delivery)).code)
        elif self.world.webhooks[webhook_id] is webhook:
            await self._record_failure(webhook_id, delivery, called)
        else:  # it was changed meanwhile: what failed is no longer what it is
            self._record(delivery)
            self.world.queues[webhook_id] = replace(self.world.queues[webhook_id], current=delivery)

    def _record_success(self, webhook_id: str, delivery: Delivery) -> None:
        self._record(replace(delivery, state="delivered"))
        queue = self.world.queues[webhook_id]
        self.world.queues[webhook_id] = replace(
            self.faults.requeue_repeats(queue, delivery.events), current=None, failing_since=None
        )
        webhook = self.world.webhooks[webhook_id]
        self.world.webhooks[webhook_id] = replace(webhook, last_success=self.clock.next_timestamp())

    async def _record_failure(self, webhook_id: str, delivery: Delivery, called: asyncio.Event) -> None:
        queue = self.world.queues[webhook_id]
        since = self.clock.seconds if queue.failing_since is None else queue.failing_since
        if self.clock.seconds - since >= self.delays.give_up_after:
            self._deactivate(webhook_id, delivery)
            return
        self._record(delivery)
        self.world.queues[webhook_id] = replace(queue, current=delivery, failing_since=since)
        wait = self.delays.retry_delays[min(delivery.attempts, len(self.delays.retry_delays)) - 1]
        called.clear()
        await self.clock.wait_until(self.clock.seconds + wait, or_event=called)
        called.clear()

    def _deactivate(self, webhook_id: str, delivery: Delivery) -> None:
        # As Enode documents it: what is pending is deleted, and nothing more is sent until the client reactivates.
        self._record(replace(delivery, state="failed"))
        self.world.queues[webhook_id] = WebhookQueue()
        webhook = self.world.webhooks[webhook_id]
        self.world.webhooks[webhook_id] = replace(webhook, is_active=False)

    def _create_delivery(self, webhook_id: str, batch: tuple[Json, ...]) -> Delivery:
        delivery = Delivery(id=self.world.new_id(), webhook_id=webhook_id, created_at=self.clock.now(), events=batch)
        self._record(delivery)
        return delivery

    def _record(self, delivery: Delivery) -> None:
        self.recent[delivery.id] = delivery
        while len(self.recent) > MAX_DELIVERIES:
            self.recent.popitem(last=False)

    async def _send_extra_post(self, webhook: WebhookSubscription, extra: ExtraPost) -> None:
        secret = FORGED_SECRET if extra.forged else webhook.secret
        answer = await self._send(webhook, self.world.new_id(), extra.body, secret=secret)
        self.faults.record_answer(extra.fault, answer.code)

    async def _attempt(
        self, webhook: WebhookSubscription, delivery: Delivery, *, seconds: float = 0.0
    ) -> WebhookAnswer:
        # SIM: the delivery's id is kept by retries
        return await self._send(
            webhook, delivery.id, encode_events(delivery.events), secret=webhook.secret, seconds=seconds
        )

    async def _send(
        self, webhook: WebhookSubscription, delivery_id: str, body: bytes, *, secret: str, seconds: float = 0.0
    ) -> WebhookAnswer:
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "x-enode-delivery": delivery_id,
            "x-enode-signature": sign(secret, body),
        }
        if webhook.header_name is not None and webhook.header_value is not None:
            headers[webhook.header_name] = webhook.header_value
        content = body if not seconds else _send_in_chunks(body, seconds)
        try:
            async with asyncio.timeout(self.delays.answer_timeout):
                response = await self.http.post(webhook.url, content=content, headers=headers)
        except httpx.HTTPError, httpx.InvalidURL, TimeoutError:
            return WebhookAnswer(code=None)
        shown = tuple(f"{name}: {value}" for name, value in response.headers.items())
        return WebhookAnswer(code=response.status_code, body=response.text[:MAX_SHOWN_BODY], headers=shown)


async def _send_in_chunks(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    size = len(body) // SLOW_CHUNKS + 1
    for start in range(0, len(body), size):
        await asyncio.sleep(seconds / SLOW_CHUNKS)
        yield body[start : start + size]
