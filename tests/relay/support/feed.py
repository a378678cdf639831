"""Users with vehicles and feeds, stored as the event pipeline stores them, and a reader of server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from psycopg import sql
from psycopg.types.json import Jsonb

from relay.feed.cursor import Cursor
from relay.identity.credentials import generate_api_key, get_key_prefix, hash_secret
from relay.kit.database import Connection, Pool
from relay.streams.listener import StreamListener
from relay.usecases.feed.reader import read_snapshot


@dataclass(frozen=True, kw_only=True)
class Event:
    name: str
    id: str | None
    data: dict

    @property
    def seq(self) -> int:
        return int(self.id.partition(".")[2])


def parse_event(block: str) -> Event | None:
    """Parse one block between blank lines; None when it has only comments."""
    fields = [line.partition(": ") for line in block.splitlines() if not line.startswith(":")]
    if not fields:
        return None
    data = "\n".join(value for name, _, value in fields if name == "data")
    single = {name: value for name, _, value in fields if name != "data"}
    return Event(name=single["event"], id=single.get("id"), data=json.loads(data))


def parse_events(stream: bytes) -> list[Event]:
    return [event for block in stream.decode().split("\n\n") if block and (event := parse_event(block))]


@dataclass(frozen=True, kw_only=True)
class User:
    id: UUID
    credential: UUID
    key: str

    @property
    def header(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


async def add_user(pool: Pool, *, plan: str = "pro", scopes: tuple[str, ...] = ("read", "control")) -> User:
    async with pool.connection() as connection:
        user_id = await fetch_value(connection, "insert into users (name, plan) values ('Ada', %s) returning id", plan)
        await connection.execute("insert into feeds (user_id) values (%s)", [user_id])
    return await add_installation(pool, user_id, scopes=scopes)


async def add_installation(pool: Pool, user_id: UUID, *, scopes: tuple[str, ...] = ("read", "control")) -> User:
    """Give the user another API key; returns the user with that key."""
    key = generate_api_key()
    async with pool.connection() as connection:
        credential = await fetch_value(
            connection,
            "insert into api_keys (user_id, name, key_hash, prefix, scopes)"
            " values (%s, 'Home', %s, %s, %s) returning id",
            user_id,
            hash_secret(key),
            get_key_prefix(key),
            list(scopes),
        )
    return User(id=user_id, credential=credential, key=key)


async def wait_until(condition: Callable[[], bool]) -> None:
    """Poll until the condition is true, for at most ten seconds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def fetch_value(connection: Connection, statement: str, *arguments):
    cursor = await connection.execute(statement, arguments)
    return (await cursor.fetchone())[0]


@asynccontextmanager
async def lock_feed(pool: Pool, user_id: UUID) -> AsyncIterator[tuple[Connection, Callable]]:
    """Open a transaction that locks the user's feed; yields it and a function that reserves a sequence number."""

    async with pool.connection() as connection, connection.transaction():
        await connection.execute("select from feeds where user_id = %s for update", [user_id])

        async def advance() -> int:
            return await fetch_value(
                connection, "update feeds set seq = seq + 1 where user_id = %s returning seq", user_id
            )

        yield connection, advance


async def put_vehicle(
    pool: Pool, user_id: UUID, vehicle_id: UUID | None = None, *, level: int = 50, **columns
) -> tuple[UUID, int]:
    """Store a new vehicle, or a new state of one; returns its id and revision."""
    vehicle_id = vehicle_id or uuid4()
    state = {"id": "enode-1", "vendor": "TESLA", "isReachable": True, "chargeState": {"batteryLevel": level}}
    state |= {"information": {"brand": "Tesla", "model": "Y", "year": 2024, "vin": "5YJ", "displayName": "Red"}}
    async with lock_feed(pool, user_id) as (connection, advance):
        revision = await advance()
        await connection.execute(
            """
            insert into vehicles (id, user_id, vendor, vehicle_cache, revision) values (%s, %s, 'TESLA', %s, %s)
            on conflict (id) do update set vehicle_cache = excluded.vehicle_cache, revision = excluded.revision
            """,
            [vehicle_id, user_id, Jsonb(state), revision],
        )
        for name, new in columns.items():
            update = sql.SQL("update vehicles set {} = %s where id = %s").format(sql.Identifier(name))
            await connection.execute(update, [new, vehicle_id])
    return vehicle_id, revision


async def remove_vehicle(pool: Pool, user_id: UUID, vehicle_id: UUID, reason: str = "unlinked") -> int:
    async with lock_feed(pool, user_id) as (connection, advance):
        seq = await advance()
        await connection.execute(
            "update vehicles set gone_at = now(), gone_reason = %s, revision = %s where id = %s",
            [reason, seq, vehicle_id],
        )
    return seq


async def add_transition(
    pool: Pool, user_id: UUID, vehicle_id: UUID, kind: str = "plugged_in", *, age: str = "0 s"
) -> int:
    """Store a transition that occurred, and was stored, `age` ago; returns its sequence number."""
    async with lock_feed(pool, user_id) as (connection, advance):
        seq = await advance()
        await connection.execute(
            """
            insert into transitions (user_id, seq, vehicle_id, kind, occurred_at, created_at)
            values (%s, %s, %s, %s, now() - %s::interval, now() - %s::interval)
            """,
            [user_id, seq, vehicle_id, kind, age, age],
        )
    return seq


async def start_listener(pool: Pool, listener: StreamListener) -> Cursor:
    """Start the listener after a snapshot, as the stream's route does; returns the snapshot's cursor."""
    async with pool.connection() as connection:
        cursor = (await read_snapshot(connection, listener.user_id)).cursor
    listener.start(cursor)
    return cursor


@dataclass
class StreamReader:
    """Collects the events that a listener gets."""

    listener: StreamListener
    events: list[Event] = field(default_factory=list)
    is_ended: bool = False

    async def read_until(self, enough: Callable[[list[Event]], bool], seconds: float = 10) -> list[Event]:
        async with asyncio.timeout(seconds):
            while not enough(self.events) and not self.is_ended:
                chunk = await self.listener.receive()
                self.is_ended = not chunk
                self.events += parse_events(chunk)
        return self.events

    async def read_until_seq(self, seq: int) -> list[Event]:
        return await self.read_until(lambda events: bool(events) and events[-1].seq >= seq)

    async def read_until_end(self) -> list[Event]:
        return await self.read_until(lambda _: False)


@asynccontextmanager
async def run_in_background(*jobs) -> AsyncIterator[None]:
    """Run these coroutines while the block runs."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
