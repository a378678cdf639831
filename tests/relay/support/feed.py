"""People, their cars and feeds, written as the pipeline writes them; and a reader of server-sent events."""

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
from relay.streams.hub import Hub
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
    """One block between blank lines; None when it is only a comment."""
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
    key = generate_api_key()
    async with pool.connection() as connection:
        user_id = await fetch_value(connection, "insert into users (name, plan) values ('Ada', %s) returning id", plan)
        await connection.execute("insert into feeds (user_id) values (%s)", [user_id])
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
    """Wait for something that says nothing when it happens, at most ten seconds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def fetch_value(connection: Connection, statement: str, *arguments):
    cursor = await connection.execute(statement, arguments)
    return (await cursor.fetchone())[0]


@asynccontextmanager
async def lock_feed(pool: Pool, user_id: UUID) -> AsyncIterator[tuple[Connection, Callable]]:
    """A transaction that holds the user's feed, and how to take its next number."""

    async with pool.connection() as connection, connection.transaction():
        await connection.execute("select from feeds where user_id = %s for update", [user_id])

        async def advance() -> int:
            return await fetch_value(
                connection, "update feeds set seq = seq + 1 where user_id = %s returning seq", user_id
            )

        yield connection, advance


async def put_vehicle(
    pool: Pool, user_id: UUID, car: UUID | None = None, *, level: int = 50, **columns
) -> tuple[UUID, int]:
    """A new car, or a new state of one."""
    car = car or uuid4()
    vehicle = {"id": "enode-1", "vendor": "TESLA", "isReachable": True, "chargeState": {"batteryLevel": level}}
    vehicle |= {"information": {"brand": "Tesla", "model": "Y", "year": 2024, "vin": "5YJ", "displayName": "Red"}}
    async with lock_feed(pool, user_id) as (connection, advance):
        revision = await advance()
        await connection.execute(
            """
            insert into vehicles (id, user_id, vendor, vehicle_cache, revision) values (%s, %s, 'TESLA', %s, %s)
            on conflict (id) do update set vehicle_cache = excluded.vehicle_cache, revision = excluded.revision
            """,
            [car, user_id, Jsonb(vehicle), revision],
        )
        for name, new in columns.items():
            update = sql.SQL("update vehicles set {} = %s where id = %s").format(sql.Identifier(name))
            await connection.execute(update, [new, car])
    return car, revision


async def remove_vehicle(pool: Pool, user_id: UUID, car: UUID, reason: str = "unlinked") -> int:
    async with lock_feed(pool, user_id) as (connection, advance):
        seq = await advance()
        await connection.execute(
            "update vehicles set gone_at = now(), gone_reason = %s, revision = %s where id = %s", [reason, seq, car]
        )
    return seq


async def add_transition(pool: Pool, user_id: UUID, car: UUID, kind: str = "plugged_in", *, age: str = "0 s") -> int:
    """A transition told `age` ago."""
    async with lock_feed(pool, user_id) as (connection, advance):
        seq = await advance()
        await connection.execute(
            """
            insert into transitions (user_id, seq, vehicle_id, kind, occurred_at, created_at)
            values (%s, %s, %s, %s, now() - %s::interval, now() - %s::interval)
            """,
            [user_id, seq, car, kind, age, age],
        )
    return seq


async def start_listener(pool: Pool, subscription: StreamListener) -> Cursor:
    """What the stream's route does: the snapshot is read, the stream goes on from there."""
    async with pool.connection() as connection:
        cursor = (await read_snapshot(connection, subscription.user_id)).cursor
    subscription.start(cursor)
    return cursor


@dataclass
class StreamReader:
    """Takes all that a subscription gives."""

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
        return await self.read_until(lambda heard: bool(heard) and heard[-1].seq >= seq)

    async def read_until_end(self) -> list[Event]:
        return await self.read_until(lambda _: False)


@asynccontextmanager
async def running(*jobs) -> AsyncIterator[None]:
    """These coroutines beside the block."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


def hub_running(hub: Hub):
    return running(hub.run())
