"""Everything an account has, as one JSON document: for its holder to keep, to read, to take elsewhere.

Written section by section through a server-side cursor into a file that spills to disk: neither a long history nor a
slow reader costs memory, and no reader holds a connection. Secrets, and hashes of secrets, are in it nowhere.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, LiteralString, override
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from relay.kit.database import Connection
from relay.kit.times import wire_time
from relay.usecases.authorize import authenticate
from relay.usecases.present_credential import Authorization
from relay.usecases.runtime import Runtime, RuntimeDependency

FORMAT = 1
"""Grows when a section changes its meaning; new ones may come at any time."""
IN_MEMORY = 1024 * 1024
AT_ONCE = 500
CHUNK = 64 * 1024

router = APIRouter(prefix="/api/user", tags=["Account"])

_MINE: LiteralString = "in (select id from vehicles where user_id = %(user_id)s)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A member of the document: rows as JSON in one column, in order. `tables` are those that it tells of."""

    name: str
    tables: tuple[str, ...]
    query: LiteralString


def _section(name: str, table: LiteralString, *, order: LiteralString, less: LiteralString = "{}") -> Section:
    """All rows of a table with a `user_id`, without the columns in `less`."""
    query: LiteralString = (
        f"select (to_jsonb(t) - '{less}'::text[])::text from {table} t where user_id = %(user_id)s order by {order}"  # noqa: S608 - our own literals
    )
    return Section(name=name, tables=(table,), query=query)


def _section_of_cars(name: str, table: LiteralString, *, order: LiteralString, less: LiteralString = "{}") -> Section:
    """The same of a table that knows only the car."""
    query: LiteralString = (
        f"select (to_jsonb(t) - '{less}'::text[])::text from {table} t where vehicle_id {_MINE} order by {order}"  # noqa: S608 - our own literals
    )
    return Section(name=name, tables=(table,), query=query)


SECTIONS: tuple[Section, ...] = (
    Section(
        name="account",
        tables=("users",),
        query="select to_jsonb(t)::text from users t where id = %(user_id)s",
    ),
    _section("vehicles", "vehicles", order="created_at, id", less="{vin_hash}"),
    _section_of_cars("vehicle_links", "vehicle_links", order="linked_at, enode_vehicle_id"),
    _section("link_pages", "link_pages", order="expires_at, id", less="{token_hash}"),
    _section_of_cars("charging_sessions", "charging_sessions", order="started_at, id"),
    _section_of_cars("charging_samples", "charging_samples", order="vehicle_id, at"),
    _section_of_cars("energy", "vehicle_energy", order="vehicle_id"),
    _section("homes", "home_places", order="user_id"),
    _section("electricity_rates", "electricity_rates", order="valid_from"),
    _section("commands", "commands", order="requested_at, id"),
    _section("transitions", "transitions", order="seq"),
    _section("api_keys", "api_keys", order="created_at, id", less="{key_hash}"),
    _section("home_assistants", "oauth_grants", order="created_at, id"),
    # The address of a Home Assistant's webhook opens it to whoever knows it.
    _section("endpoints", "endpoints", order="created_at, id", less="{url,salt,lease_token,webhook_id}"),
    _section("web_sessions", "web_sessions", order="created_at", less="{token_hash}"),
    _section("usage_by_month", "usage_months", order="period"),
    _section("usage_by_day", "usage_days", order="period, day, endpoint, credential_id"),
    _section("calls", "poll_logs", order="id"),
    _section("call_tokens", "call_token_balances", order="user_id"),
    _section("call_token_ledger", "call_token_ledger", order="id"),
    Section(
        name="events",
        tables=("webhook_logs",),
        query="select to_jsonb(t)::text from (select id, created_at, source, event, version, enode_vehicle_id, "
        "payload, event_at, state, reason, settled_at from webhook_logs where user_id = %(user_id)s) t order by id",
    ),
)

LEFT_OUT = {
    "feeds": "a counter by which news are put in order",
    "sign_in_links": "hashes of links that sign in",
    "oauth_codes": "hashes of codes, of minutes' life",
    "oauth_tokens": "hashes of tokens",
    "deleted_users": "accounts that are no more",
}
"""Tables that know a user or a car and have nothing to tell of them."""


async def write_export(connection: Connection, user_id: UUID, out: IO[bytes]) -> None:
    """Write the document, all of it as of one moment. Raises psycopg.Error."""
    about = f'{{"format":{FORMAT},"exported_at":"{wire_time(datetime.now(UTC))}"'
    out.write(about.encode())
    async with connection.transaction():
        await connection.execute("set transaction isolation level repeatable read, read only")
        for section in SECTIONS:
            out.write(f',\n"{section.name}":['.encode())
            await _write_rows(connection, section, user_id, out)
            out.write(b"]")
    out.write(b"}\n")


async def _write_rows(connection: Connection, section: Section, user_id: UUID, out: IO[bytes]) -> None:
    separator = b"\n"
    async with connection.cursor(name="export") as cursor:
        cursor.itersize = AT_ONCE
        await cursor.execute(section.query, {"user_id": user_id})
        async for (row,) in cursor:
            out.write(separator + str(row).encode())
            separator = b",\n"


class Download(StreamingResponse):
    """A file to keep, which is gone when the answer has ended, however it ended."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Length": str(file.tell()),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        file.seek(0)
        super().__init__(iter(partial(file.read, CHUNK), b""), media_type="application/json", headers=headers)
        self._file = file

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            await super().__call__(scope, receive, send)


async def export(runtime: Runtime, user_id: UUID) -> Download:
    """The document as a file to download. Raises Problem 429 when this user had several just now."""
    runtime.exports.take(user_id)
    spooled = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed when its answer has ended
    try:
        async with runtime.pool.connection() as connection:
            await write_export(connection, user_id, spooled)
    except BaseException:
        spooled.close()
        raise
    return Download(spooled, f"evconduit-{datetime.now(UTC):%Y-%m-%d}.json")


@router.get(
    "/export",
    response_model=None,
    response_class=Response,
    responses={200: {"content": {"application/json": {}}, "description": "A file to keep."}},
)
async def get_export(runtime: RuntimeDependency, authorization: Authorization) -> Download:
    """Everything that the caller's account has. Costs nothing."""
    async with runtime.pool.connection() as connection:
        user_id = (await authenticate(connection, authorization, scope="account")).caller.user_id
    return await export(runtime, user_id)
