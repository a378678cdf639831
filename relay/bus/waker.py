"""Hints that a user has news: told inside this process at once, to the others by one NOTIFY for many users.

A hint may be lost at any time. Whoever takes hints also looks by itself every few seconds.
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
"""Channel: events wait in these users' inboxes."""
FEED_CHANNEL = "evconduit_feed"
"""Channel: these users' feeds have been advanced and committed."""
POLL_CHANNEL = "evconduit_look"
"""Channel: somebody waits for what Enode may know; whoever polls Enode looks soon."""
REVOKED_CHANNEL = "evconduit_revoked"
"""Channel: these installations, or all of these users, are let in no more; their streams end."""

# PostgreSQL takes payloads shorter than 8,000 bytes; an id takes 33 of them and the sender 17.
MAX_IDS_PER_PAYLOAD = 240

type Hint = frozenset[UUID] | None
"""Users that have news; None: anybody may have."""
type HintCallback = Callable[[Hint], None]
type PayloadSender = Callable[[str, Sequence[str]], Awaitable[None]]
"""Sends payloads on a channel to all processes. Raises NotSentError."""


class NotSentError(Exception):
    """The other processes will not hear of it. The message is the class of the cause."""


class Waker:
    """One channel of hints, seen from one process. `run` sends what `wake` has collected."""

    def __init__(
        self,
        pool: Pool,
        channel: str,
        *,
        batch_interval: timedelta = timedelta(milliseconds=15),
        send: PayloadSender | None = None,
    ) -> None:
        """`send` is how hints leave this process; by default the database carries them."""
        self.channel = channel
        self._send = send or create_postgres_sender(pool)
        self._every = batch_interval.total_seconds()
        # Our own notifications come back to our own listener; by this they are known, and not acted on twice.
        self._sender = secrets.token_hex(8)
        self._told: list[HintCallback] = []
        self._unsent: set[UUID] = set()
        self._something_to_send = asyncio.Event()
        self._unheard = False

    def add_callback(self, on_hint: HintCallback) -> None:
        """Call `on_hint` with every hint from here or elsewhere. It must be quick and must not raise."""
        self._told.append(on_hint)

    def wake(self, user_ids: Iterable[UUID]) -> None:
        """Say that these users have news, after the commit that holds it. Costs the caller next to nothing."""
        users = frozenset(user_ids)
        if users:
            self.notify(users)
            self._unsent |= users
            self._something_to_send.set()

    def notify(self, hint: Hint) -> None:
        """Pass a hint on inside this process only."""
        for on_hint in self._told:
            on_hint(hint)

    def receive(self, payload: str) -> None:
        """Take what a notification on this channel said."""
        sender, *ids = payload.split()
        if sender != self._sender:
            self.notify(parse_hint(ids))

    async def run(self) -> None:
        """Send hints until cancelled: the first at once, those of the next moments together."""
        while True:
            await self._something_to_send.wait()
            users = len(self._unsent)
            try:
                await self.flush()
                self._unheard = False
            except NotSentError as error:
                if not self._unheard:  # once an outage, not once a hint
                    log.warning("a wake-up of %d users was not sent (%s)", users, error)
                self._unheard = True
            await asyncio.sleep(self._every)

    async def flush(self) -> None:
        """Send what `wake` has collected, once; for a program that doesn't `run`. Raises NotSentError."""
        self._something_to_send.clear()
        users, self._unsent = self._unsent, set()
        await self._send(self.channel, list(self._render_payloads(users)))

    def _render_payloads(self, users: Iterable[UUID]) -> Iterator[str]:
        for some in batched(users, MAX_IDS_PER_PAYLOAD, strict=False):
            yield " ".join([self._sender, *(user.hex for user in some)])


def parse_hint(ids: Iterable[str]) -> Hint:
    """The users that a payload names. One that we cannot read (a newer relay's?) still means that somebody has news."""
    try:
        return frozenset(map(UUID, ids))
    except ValueError:
        return None


def create_postgres_sender(pool: Pool) -> PayloadSender:
    """Hints carried by the database itself, with one statement for all of them."""

    async def send(channel: str, payloads: Sequence[str]) -> None:
        try:
            async with pool.connection() as connection:
                await connection.execute(
                    "select pg_notify(%s, payload) from unnest(%s::text[]) as payload", [channel, list(payloads)]
                )
        except psycopg.Error as error:
            raise NotSentError(type(error).__name__) from None

    return send
