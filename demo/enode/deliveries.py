"""Deliver events to webhooks: in order, in signed batches, with retries until they are accepted or given up."""

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

BATCHING_SECONDS = 0.02  # SIM: events within this time share a delivery
MAX_DELIVERIES = 20_000
MAX_SHOWN_BODY = 2000
SLOW_CHUNKS = 10
FORGED_SECRET = "not the secret of any webhook"  # noqa: S105  # a dummy, used for forged deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAnswer:
    """A webhook's answer to a delivery; `code` is None if there was none."""

    code: int | None
    body: str = ""
    headers: tuple[str, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """Whether the webhook accepted the delivery."""
        return self.code is not None and httpx.codes.is_success(self.code)


@dataclass(slots=True, kw_only=True)
class WebhookDispatcher:
    """Delivers the queue of each webhook subscription in a task of its own. Keeps recent deliveries for inspection."""

    world: World
    clock: Clock
    delays: Delays
    http: httpx.AsyncClient
    faults: DeliveryFaults = field(default_factory=DeliveryFaults)
    recent: OrderedDict[str, Delivery] = field(default_factory=OrderedDict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _wakeups: dict[str, asyncio.Event] = field(default_factory=dict)

    def publish(self, event: Json) -> None:
        """Queue an event for every subscription that includes it."""
        for webhook in self.world.webhooks.values():
            if accepts_event(webhook, event["event"]):
                queue = self.world.queues[webhook.id]
                self.world.queues[webhook.id] = self.faults.enqueue(queue, event)
                self.wake(webhook.id)

    def wake(self, webhook_id: str) -> None:
        """Start the delivery task of a subscription if necessary, and wake it unless it is waiting to retry."""
        if webhook_id not in self._tasks:
            self._wakeups[webhook_id] = asyncio.Event()
            self._tasks[webhook_id] = start_task(self._run_delivery_loop(webhook_id))
        queue = self.world.queues[webhook_id]
        if queue.failing_since is None:
            self._wakeups[webhook_id].set()

    def retry_now(self, webhook_id: str) -> None:
        """Retry a failed delivery immediately, after the subscription was changed or accepted a test event."""
        queue = self.world.queues[webhook_id]
        self.world.queues[webhook_id] = replace(queue, failing_since=None)
        self.wake(webhook_id)

    async def remove_webhook(self, webhook_id: str) -> None:
        """Stop deliveries to a deleted subscription and drop its queue."""
        task = self._tasks.pop(webhook_id, None)
        self._wakeups.pop(webhook_id, None)
        self.world.queues.pop(webhook_id, None)
        if task is not None:
            await cancel_task(task)

    def count_pending_events(self) -> int:
        """Return the number of undelivered events over all subscriptions."""
        queues = self.world.queues.values()
        return sum(
            len(queue.waiting) + len(queue.held) + (len(queue.current.events) if queue.current else 0)
            for queue in queues
        )

    def release_held_events(self) -> None:
        """Deliver the events that delivery faults have held back."""
        for webhook_id, queue in self.world.queues.items():
            self.world.queues[webhook_id] = release_held_events(queue)
            self.wake(webhook_id)

    def publish_heartbeat(self) -> None:
        """Queue a heartbeat for every subscription."""
        self.publish(events.heartbeat(self.clock.next_timestamp(), self.count_pending_events()))

    async def send_test_event(self, webhook: WebhookSubscription) -> WebhookAnswer:
        """Send a test event now, bypassing the queue."""
        delivery = self._create_delivery(webhook.id, (events.webhook_test(self.clock.next_timestamp()),))
        answer = await self._attempt(webhook, delivery)
        self._record(replace(delivery, state="delivered" if answer.is_accepted else "failed", attempts=1))
        return answer

    def start(self) -> None:
        """Start delivering the queues of a loaded world."""
        for webhook_id in self.world.webhooks:
            queue = self.world.queues.setdefault(webhook_id, WebhookQueue())
            if queue.current is not None:
                self._record(queue.current)
            self.retry_now(webhook_id)

    async def stop(self) -> None:
        """Stop all delivery tasks; undelivered events stay queued."""
        for task in self._tasks.values():
            await cancel_task(task)
        self._tasks.clear()
        self._wakeups.clear()

    async def _run_delivery_loop(self, webhook_id: str) -> None:
        wakeup = self._wakeups[webhook_id]
        while True:
            await wakeup.wait()
            await asyncio.sleep(BATCHING_SECONDS)
            wakeup.clear()
            while self._has_work(webhook_id):
                await self._deliver(webhook_id, wakeup)

    def _has_work(self, webhook_id: str) -> bool:
        queue = self.world.queues[webhook_id]
        has_batch = len(queue.waiting) >= max(1, self.faults.settings.batch)
        return self.world.webhooks[webhook_id].is_active and (queue.current is not None or has_batch)

    async def _deliver(self, webhook_id: str, wakeup: asyncio.Event) -> None:
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
            await self._record_failure(webhook_id, delivery, wakeup)
        else:  # the subscription was changed during the attempt, so the failure does not count
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

    async def _record_failure(self, webhook_id: str, delivery: Delivery, wakeup: asyncio.Event) -> None:
        queue = self.world.queues[webhook_id]
        since = self.clock.seconds if queue.failing_since is None else queue.failing_since
        if self.clock.seconds - since >= self.delays.give_up_after:
            self._deactivate(webhook_id, delivery)
            return
        self._record(delivery)
        self.world.queues[webhook_id] = replace(queue, current=delivery, failing_since=since)
        delay = self.delays.retry_delays[min(delivery.attempts, len(self.delays.retry_delays)) - 1]
        wakeup.clear()
        await self.clock.wait_until(self.clock.seconds + delay, or_event=wakeup)
        wakeup.clear()

    def _deactivate(self, webhook_id: str, delivery: Delivery) -> None:
        # As Enode documents: pending events are deleted, and nothing is sent until the client reactivates it.
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
        # SIM: retries keep the delivery's id
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
        header_lines = tuple(f"{name}: {value}" for name, value in response.headers.items())
        return WebhookAnswer(code=response.status_code, body=response.text[:MAX_SHOWN_BODY], headers=header_lines)


async def _send_in_chunks(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    size = len(body) // SLOW_CHUNKS + 1
    for start in range(0, len(body), size):
        await asyncio.sleep(seconds / SLOW_CHUNKS)
        yield body[start : start + size]
