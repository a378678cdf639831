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

from relay.delivery.hearing import SELF_TEST, Hearing, ListenTimes, Status, pauses
from relay.delivery.wake import NotSentError, Send, Waker

CONNECT_SECONDS = 3
ANSWER_SECONDS = 5
SUSPECT = "does REDIS_URL lead to a server that carries pub/sub?"


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator[Redis]:
    """A client of this server. Opening talks to nobody. Raises ValueError for what is no address of a Redis."""
    # Without retries of its own: whoever listens must learn that a connection was lost, because hints went with it.
    client = Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        client_name="evconduit",
    )
    async with client:
        yield client


def publish(client: Redis) -> Send:
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

    def __init__(self, client: Redis, wakers: Sequence[Waker], *, times: ListenTimes | None = None) -> None:
        self._client = client
        self._times = times or ListenTimes()
        self._hearing = Hearing(wakers, self._times, through="Redis", suspect=SUSPECT)
        self._nonce = ""
        self._proved = False

    @property
    def status(self) -> Status:
        """`listening` when hints are proved to arrive; everything else means that this process polls meanwhile."""
        return self._hearing.status

    async def run(self) -> None:
        """Listen until cancelled, whatever happens to the connection."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hearing.poll_while_deaf())
            waits = pauses()
            while True:
                try:
                    async with self._client.pubsub(ignore_subscribe_messages=True) as subscribed:
                        await subscribed.subscribe(*self._hearing.channels)
                        waits = pauses()
                        await self._hear_while_proved(subscribed)
                except (RedisError, OSError) as error:
                    # Not its text, which may hold the URL.
                    self._hearing.become("reconnecting", type(error).__name__)
                    await asyncio.sleep(next(waits))
                else:
                    await asyncio.sleep(self._times.test_every.total_seconds())

    async def _hear_while_proved(self, subscribed: PubSub) -> None:
        """Pass hints on for as long as our own test messages arrive; return when one did not."""
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            self._nonce, self._proved = secrets.token_hex(8), False
            await self._client.publish(SELF_TEST, self._nonce)
            await self._hear(subscribed, until=started + self._times.answer_within.total_seconds(), or_proved=True)
            if not self._proved:
                self._hearing.become("polling")
                return
            self._hearing.become("listening")
            await self._hear(subscribed, until=started + self._times.test_every.total_seconds())

    async def _hear(self, subscribed: PubSub, *, until: float, or_proved: bool = False) -> None:
        loop = asyncio.get_running_loop()
        while (left := until - loop.time()) > 0 and not (or_proved and self._proved):
            message = await subscribed.get_message(timeout=left)
            if message is None:
                continue
            if message["channel"] == SELF_TEST:
                self._proved |= message["data"] == self._nonce
            else:
                self._hearing.hear(message["channel"], message["data"])


async def carries_hints(client: Redis) -> str | None:
    """None when a message published on this server comes back; else, in a few words, what is wrong."""
    nonce = secrets.token_hex(8)
    try:
        async with asyncio.timeout(ANSWER_SECONDS), client.pubsub(ignore_subscribe_messages=True) as subscribed:
            await subscribed.subscribe(SELF_TEST)
            await client.publish(SELF_TEST, nonce)
            while True:
                message = await subscribed.get_message(timeout=1)
                if message is not None and message["data"] == nonce:
                    return None
    except TimeoutError:
        return "what is published does not come back"
    except (RedisError, OSError) as error:
        return f"it does not answer ({type(error).__name__})"
