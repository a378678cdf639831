"""Send and receive wake-ups through Redis instead of the database: the same hints on the same channels."""

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
FAILURE_HINT = "does REDIS_URL lead to a server that supports pub/sub?"


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator[Redis]:
    """Open a client of this server, without connecting yet. Raises ValueError for a malformed Redis URL."""
    # No retries in the client: a lost connection loses hints, so the error must reach the listener, which reconnects.
    client = Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_timeout=RESPONSE_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        encoding_errors="replace",  # anyone who can publish chooses the bytes
        client_name="evconduit",
    )
    async with client:
        yield client


def create_redis_sender(client: Redis) -> PayloadSender:
    """Return a sender that publishes all payloads in one round trip."""

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
    """Receives the hints of all processes for this one's wakers. While it can't, it notifies them of all users."""

    def __init__(self, client: Redis, wakers: Sequence[Waker], *, timings: ListenerTimings | None = None) -> None:
        self._client = client
        self._timings = timings or ListenerTimings()
        self._state = ListenerState(wakers, self._timings, transport="redis", failure_hint=FAILURE_HINT)
        self._nonce = ""
        self._is_self_test_received = False

    @property
    def status(self) -> ListenerStatus:
        """`listening` while self-tests prove that hints arrive; with any other status this process polls."""
        return self._state.status

    async def run(self) -> None:
        """Listen until cancelled, and reconnect whenever the connection is lost."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._state.poll_while_disconnected())
            delays = iterate_reconnect_delays()
            while True:
                try:
                    async with self._client.pubsub(ignore_subscribe_messages=True) as pubsub:
                        await pubsub.subscribe(*self._state.channels)
                        delays = iterate_reconnect_delays()
                        await self._receive_while_verified(pubsub)
                except (RedisError, OSError) as error:
                    # Without the error's text, which may contain the URL.
                    self._state.set_status("reconnecting", type(error).__name__)
                    await asyncio.sleep(next(delays))
                else:
                    await asyncio.sleep(self._timings.test_interval.total_seconds())

    async def _receive_while_verified(self, pubsub: PubSub) -> None:
        """Pass hints on for as long as our self-tests arrive; return when one has not."""
        loop = asyncio.get_running_loop()
        while True:
            started_at = loop.time()
            self._nonce, self._is_self_test_received = secrets.token_hex(8), False
            await self._client.publish(SELF_TEST_CHANNEL, self._nonce)
            await self._receive_until(
                pubsub, deadline=started_at + self._timings.test_timeout.total_seconds(), stop_when_verified=True
            )
            if not self._is_self_test_received:
                self._state.set_status("polling")
                return
            self._state.set_status("listening")
            await self._receive_until(pubsub, deadline=started_at + self._timings.test_interval.total_seconds())

    async def _receive_until(self, pubsub: PubSub, *, deadline: float, stop_when_verified: bool = False) -> None:
        loop = asyncio.get_running_loop()
        while (remaining := deadline - loop.time()) > 0 and not (stop_when_verified and self._is_self_test_received):
            message = await pubsub.get_message(timeout=remaining)
            if message is None:
                continue
            if message["channel"] == SELF_TEST_CHANNEL:
                self._is_self_test_received |= message["data"] == self._nonce
            else:
                self._state.receive(message["channel"], message["data"])


async def find_pubsub_problem(client: Redis) -> str | None:
    """Check that a message published on this server comes back; returns a description of the problem, or None."""
    nonce = secrets.token_hex(8)
    try:
        async with (
            asyncio.timeout(RESPONSE_TIMEOUT_SECONDS),
            client.pubsub(ignore_subscribe_messages=True) as pubsub,
        ):
            await pubsub.subscribe(SELF_TEST_CHANNEL)
            await client.publish(SELF_TEST_CHANNEL, nonce)
            while True:
                message = await pubsub.get_message(timeout=1)
                if message is not None and message["data"] == nonce:
                    return None
    except TimeoutError:
        return "published messages do not arrive"
    except (RedisError, OSError) as error:
        return f"the server does not answer ({type(error).__name__})"
