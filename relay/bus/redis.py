"""Wake-ups through Redis instead of the database: the same hints, published on the same channels."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from relay.bus.listener_state import (
    SELF_TEST_CHANNEL,
    ListenerState,
    ListenerStatus,
    ListenerTimings,
    iterate_reconnect_delays,
)
from relay.bus.waker import NotSentError, PayloadSender, Waker

CONNECT_TIMEOUT_SECONDS = 3
RESPONSE_TIMEOUT_SECONDS = 5
FAILURE_HINT = "does REDIS_URL lead to a server that carries pub/sub?"


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator[Redis]:
    """A client of this server. Opening talks to nobody. Raises ValueError for what is no address of a Redis."""
    # Without retries of its own: whoever listens must learn that a connection was lost, because hints went with it.
    client = Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_timeout=RESPONSE_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        client_name="evconduit",
    )
    async with client:
        yield client


def create_redis_sender(client: Redis) -> PayloadSender:
    """Hints carried by Redis; all payloads in one exchange."""

    async def send(channel: str, payloads: Sequence[str]) -> None:
        try:
            async with client.pipeline(transaction=False) as pipeline:
                for payload in payloads:
                    pipeline.publish(channel, payload)
                await pipeline.execute()
        except (RedisError, OSError) as error:
            raise NotSentError(type(error).__name__) from None

    return send


class RedisListener:
    """Hears what all processes publish for this one's wakers. While it cannot, it hints at everybody."""

    def __init__(self, client: Redis, wakers: Sequence[Waker], *, timings: ListenerTimings | None = None) -> None:
        self._client = client
        self._times = timings or ListenerTimings()
        self._hearing = ListenerState(wakers, self._times, transport="Redis", failure_hint=FAILURE_HINT)
        self._nonce = ""
        self._proved = False

    @property
    def status(self) -> ListenerStatus:
        """`listening` when hints are proved to arrive; everything else means that this process polls meanwhile."""
        return self._hearing.status

    async def run(self) -> None:
        """Listen until cancelled, whatever happens to the connection."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hearing.poll_while_disconnected())
            waits = iterate_reconnect_delays()
            while True:
                try:
                    async with self._client.pubsub(ignore_subscribe_messages=True) as subscribed:
                        await subscribed.subscribe(*self._hearing.channels)
                        waits = iterate_reconnect_delays()
                        await self._receive_while_verified(subscribed)
                except (RedisError, OSError) as error:
                    # Not its text, which may hold the URL.
                    self._hearing.set_status("reconnecting", type(error).__name__)
                    await asyncio.sleep(next(waits))
                else:
                    await asyncio.sleep(self._times.test_interval.total_seconds())

    async def _receive_while_verified(self, pubsub: PubSub) -> None:
        """Pass hints on for as long as our own test messages arrive; return when one did not."""
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            self._nonce, self._proved = secrets.token_hex(8), False
            await self._client.publish(SELF_TEST_CHANNEL, self._nonce)
            await self._receive_until(
                pubsub, deadline=started + self._times.test_timeout.total_seconds(), stop_when_verified=True
            )
            if not self._proved:
                self._hearing.set_status("polling")
                return
            self._hearing.set_status("listening")
            await self._receive_until(pubsub, deadline=started + self._times.test_interval.total_seconds())

    async def _receive_until(self, pubsub: PubSub, *, deadline: float, stop_when_verified: bool = False) -> None:
        loop = asyncio.get_running_loop()
        while (left := deadline - loop.time()) > 0 and not (stop_when_verified and self._proved):
            message = await pubsub.get_message(timeout=left)
            if message is None:
                continue
            if message["channel"] == SELF_TEST_CHANNEL:
                self._proved |= message["data"] == self._nonce
            else:
                self._hearing.receive(message["channel"], message["data"])


async def find_pubsub_problem(client: Redis) -> str | None:
    """None when a message published on this server comes back; else, in a few words, what is wrong."""
    nonce = secrets.token_hex(8)
    try:
        async with (
            asyncio.timeout(RESPONSE_TIMEOUT_SECONDS),
            client.pubsub(ignore_subscribe_messages=True) as subscribed,
        ):
            await subscribed.subscribe(SELF_TEST_CHANNEL)
            await client.publish(SELF_TEST_CHANNEL, nonce)
            while True:
                message = await subscribed.get_message(timeout=1)
                if message is not None and message["data"] == nonce:
                    return None
    except TimeoutError:
        return "what is published does not come back"
    except (RedisError, OSError) as error:
        return f"it does not answer ({type(error).__name__})"
