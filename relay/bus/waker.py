"""Send and receive hints that users have updates: at once in this process, in batches to the other processes.

A hint may be lost at any time, so everything that acts on hints also polls every few seconds. Any login at the database
or at Redis can forge a hint: it only causes a look into the database (or at Enode, at most every ten seconds).
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import batched
from uuid import UUID

import psycopg

from relay.kit.database import Pool

log = logging.getLogger(__name__)

INBOX_CHANNEL = "evconduit_inbox"
"""Channel: these users have events in the inbox."""
FEED_CHANNEL = "evconduit_feed"
"""Channel: these users' feeds have advanced, and the change is committed."""
POLL_CHANNEL = "evconduit_look"
"""Channel: these users wait for a result from Enode, so the process that polls Enode should poll soon."""
REVOKED_CHANNEL = "evconduit_revoked"
"""Channel: these installations, or all installations of these users, may have been revoked: check their streams."""

# PostgreSQL accepts payloads shorter than 8,000 bytes; an id takes 33 of them and the sender 17.
MAX_IDS_PER_PAYLOAD = 240
MAX_PAYLOAD_LENGTH = 8_000
"""Longer payloads, which only Redis carries, aren't parsed: they aren't ours."""

type Hint = frozenset[UUID] | None
"""Ids of users with updates; None: any user may have some."""
type HintCallback = Callable[[Hint], None]
type PayloadSender = Callable[[str, Sequence[str]], Awaitable[None]]
"""Sends payloads on a channel to all processes. Raises NotSentError."""


class NotSentError(Exception):
    """The hint has not reached the other processes. The message is the class name of the cause."""


class Waker:
    """One channel of hints in one process. `run` sends to the other processes what `wake` has collected."""

    def __init__(
        self,
        pool: Pool,
        channel: str,
        *,
        batch_interval: timedelta = timedelta(milliseconds=15),
        send: PayloadSender | None = None,
    ) -> None:
        """`send` carries hints to the other processes; by default through the database."""
        self.channel = channel
        self._send = send or create_postgres_sender(pool)
        self._batch_seconds = batch_interval.total_seconds()
        # Our own notifications come back to our own listener. This id identifies them, so they aren't handled twice.
        self._sender = secrets.token_hex(8)
        self._callbacks: list[HintCallback] = []
        self._unsent: set[UUID] = set()
        self._has_unsent = asyncio.Event()
        self._is_failing = False

    def add_callback(self, on_hint: HintCallback) -> None:
        """Call `on_hint` with every hint of this and the other processes. It must be quick and must not raise."""
        self._callbacks.append(on_hint)

    def wake(self, user_ids: Iterable[UUID]) -> None:
        """Announce that these users have updates. To be called after the commit; it does no I/O."""
        hint = frozenset(user_ids)
        if hint:
            self.notify(hint)
            self._unsent |= hint
            self._has_unsent.set()

    def notify(self, hint: Hint) -> None:
        """Pass a hint on inside this process only."""
        for on_hint in self._callbacks:
            on_hint(hint)

    def receive(self, payload: str) -> None:
        """Handle a payload that has arrived on this channel. Anyone with a login at the database may have sent it."""
        sender, hint = parse_payload(payload)
        if sender != self._sender and hint != frozenset():
            self.notify(hint)

    async def run(self) -> None:
        """Send hints until cancelled: the first at once, those of the following `batch_interval` together."""
        while True:
            await self._has_unsent.wait()
            count = len(self._unsent)
            try:
                await self.flush()
                self._is_failing = False
            except NotSentError as error:
                if not self._is_failing:  # once per outage, not once per hint
                    log.warning("wake-up not sent channel=%s users=%d error=%s", self.channel, count, error)
                self._is_failing = True
            await asyncio.sleep(self._batch_seconds)

    async def flush(self) -> None:
        """Send what `wake` has collected, once; for a program that doesn't `run`. Raises NotSentError."""
        self._has_unsent.clear()
        user_ids, self._unsent = self._unsent, set()
        await self._send(self.channel, list(self._render_payloads(user_ids)))

    def _render_payloads(self, user_ids: Iterable[UUID]) -> Iterator[str]:
        for batch in batched(user_ids, MAX_IDS_PER_PAYLOAD, strict=False):
            yield " ".join([self._sender, *(user_id.hex for user_id in batch)])


def parse_payload(payload: str) -> tuple[str, Hint]:
    """Parse a payload of any content into its sender and its ids. A blank payload names nobody.

    If it isn't one that this release sends (a newer relay's, perhaps), any user may have updates.
    """
    if len(payload) > MAX_PAYLOAD_LENGTH:
        return "", None
    sender, *ids = payload.split() or [""]
    if len(ids) > MAX_IDS_PER_PAYLOAD:
        return sender, None
    try:
        return sender, frozenset(map(UUID, ids))
    except ValueError:
        return sender, None


def create_postgres_sender(pool: Pool) -> PayloadSender:
    """Return a sender that uses NOTIFY, with one statement for all payloads."""

    async def send(channel: str, payloads: Sequence[str]) -> None:
        try:
            async with pool.connection() as connection:
                await connection.execute(
                    "select pg_notify(%s, payload) from unnest(%s::text[]) as payload", [channel, list(payloads)]
                )
        except psycopg.Error as error:
            raise NotSentError(type(error).__name__) from None

    return send
