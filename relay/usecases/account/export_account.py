"""Export all data of an account as one JSON document.

It is written section by section, through a server-side cursor, into a temporary file that spills to disk. So a long
history or a slow client costs no memory, and a client that downloads holds no database connection. The export contains
no secrets and no hashes of secrets.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, LiteralString, TypedDict, override
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from relay.kit.database import Connection
from relay.kit.json_object import JsonObject
from relay.kit.timestamps import format_timestamp
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency

FORMAT_VERSION = 1
"""Increases when a section changes its meaning. New sections may be added without an increase."""
MAX_MEMORY_BYTES = 1024 * 1024
FETCH_ROWS = 500
CHUNK_BYTES = 64 * 1024

router = APIRouter(prefix="/api/user")

_IN_OWN_VEHICLES: LiteralString = "in (select id from vehicles where user_id = %(user_id)s)"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportSection:
    """A member of the document. `query` returns its rows in order, each as one JSON text; `tables` are its sources."""

    name: str
    tables: tuple[str, ...]
    query: LiteralString


def _make_user_section(
    name: str, table: LiteralString, *, order_by: LiteralString, excluded_columns: LiteralString = "{}"
) -> ExportSection:
    """Section with all rows of a table that has a `user_id`. `excluded_columns` is a PostgreSQL array literal."""
    query: LiteralString = f"""
    select (to_jsonb(t) - '{excluded_columns}'::text[])::text from {table} t
    where user_id = %(user_id)s order by {order_by}
    """  # noqa: S608 - our own literals
    return ExportSection(name=name, tables=(table,), query=query)


def _make_vehicle_section(
    name: str, table: LiteralString, *, order_by: LiteralString, excluded_columns: LiteralString = "{}"
) -> ExportSection:
    """Section with all rows of a table that has a `vehicle_id` but no `user_id`."""
    query: LiteralString = f"""
    select (to_jsonb(t) - '{excluded_columns}'::text[])::text from {table} t
    where vehicle_id {_IN_OWN_VEHICLES} order by {order_by}
    """  # noqa: S608 - our own literals
    return ExportSection(name=name, tables=(table,), query=query)


SECTIONS: tuple[ExportSection, ...] = (
    ExportSection(
        name="account",
        tables=("users",),
        query="select to_jsonb(t)::text from users t where id = %(user_id)s",
    ),
    _make_user_section("vehicles", "vehicles", order_by="created_at, id", excluded_columns="{vin_hash}"),
    _make_vehicle_section("vehicle_links", "vehicle_links", order_by="linked_at, enode_vehicle_id"),
    _make_user_section("link_pages", "link_pages", order_by="expires_at, id", excluded_columns="{token_hash}"),
    _make_vehicle_section("charging_sessions", "charging_sessions", order_by="started_at, id"),
    _make_vehicle_section("session_corrections", "session_corrections", order_by="started_at, id"),
    _make_vehicle_section("charging_samples", "charging_samples", order_by="vehicle_id, at"),
    _make_vehicle_section("energy", "vehicle_energy", order_by="vehicle_id"),
    _make_vehicle_section("charging_hours", "charging_hours", order_by="vehicle_id, hour"),
    _make_vehicle_section("charging_costs", "charging_costs", order_by="vehicle_id, currency"),
    _make_user_section("homes", "home_places", order_by="user_id"),
    _make_user_section("electricity_rates", "electricity_rates", order_by="valid_from"),
    _make_user_section("commands", "commands", order_by="requested_at, id"),
    _make_user_section("transitions", "transitions", order_by="seq"),
    _make_user_section("api_keys", "api_keys", order_by="created_at, id", excluded_columns="{key_hash}"),
    _make_user_section("home_assistants", "oauth_grants", order_by="created_at, id"),
    # The URL of a Home Assistant webhook is a secret: it is all that a caller needs.
    _make_user_section(
        "endpoints", "endpoints", order_by="created_at, id", excluded_columns="{url,salt,lease_token,webhook_id}"
    ),
    _make_user_section("web_sessions", "web_sessions", order_by="created_at", excluded_columns="{token_hash}"),
    _make_user_section("usage_by_month", "usage_months", order_by="period"),
    _make_user_section("usage_by_day", "usage_days", order_by="period, day, endpoint, credential_id"),
    _make_user_section("calls", "poll_logs", order_by="id"),
    _make_user_section("call_tokens", "call_token_balances", order_by="user_id"),
    _make_user_section("call_token_ledger", "call_token_ledger", order_by="id"),
    ExportSection(
        name="events",
        tables=("webhook_logs",),
        query="select to_jsonb(t)::text from (select id, created_at, source, event, version, enode_vehicle_id, "
        "payload, event_at, state, reason, settled_at from webhook_logs where user_id = %(user_id)s) t order by id",
    ),
)

EXCLUDED_TABLES = {
    "feeds": "a counter that orders updates",
    "sign_in_links": "hashes of sign-in links",
    "sign_in_networks": "keyed hashes of networks from which the user signed in",
    "oauth_codes": "hashes of codes that expire within a minute",
    "oauth_tokens": "hashes of tokens",
    "deleted_users": "tombstones of deleted accounts",
}
"""Tables with a user or vehicle id that the export leaves out, and why."""


async def write_export(connection: Connection, user_id: UUID, out: IO[bytes]) -> None:
    """Write the document from a single snapshot of the database. Raises psycopg.Error."""
    header = f'{{"format":{FORMAT_VERSION},"exported_at":"{format_timestamp(datetime.now(UTC))}"'
    out.write(header.encode())
    async with connection.transaction():
        await connection.execute("set transaction isolation level repeatable read, read only")
        for section in SECTIONS:
            out.write(f',\n"{section.name}":['.encode())
            await _write_rows(connection, section, user_id, out)
            out.write(b"]")
    out.write(b"}\n")


async def _write_rows(connection: Connection, section: ExportSection, user_id: UUID, out: IO[bytes]) -> None:
    separator = b"\n"
    async with connection.cursor(name="export") as cursor:
        cursor.itersize = FETCH_ROWS
        await cursor.execute(section.query, {"user_id": user_id})
        async for (row,) in cursor:
            out.write(separator + str(row).encode())
            separator = b",\n"


class ExportResponse(StreamingResponse):
    """Download of a temporary file, which is deleted when the response ends, also after an error."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Length": str(file.tell()),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        file.seek(0)
        super().__init__(iter(partial(file.read, CHUNK_BYTES), b""), media_type="application/json", headers=headers)
        self._file = file

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            await super().__call__(scope, receive, send)


async def export_account(runtime: Runtime, user_id: UUID) -> ExportResponse:
    """The export as a download. Raises Problem 429 if this user exports too often."""
    runtime.export_rate_limiter.check(user_id)
    file = SpooledTemporaryFile(max_size=MAX_MEMORY_BYTES)  # noqa: SIM115 - closed by ExportResponse
    try:
        async with runtime.pool.connection() as connection:
            await write_export(connection, user_id, file)
    except BaseException:
        file.close()
        raise
    return ExportResponse(file, f"evconduit-{datetime.now(UTC):%Y-%m-%d}.json")


class ExportRecord(TypedDict):
    """The format's version, the time, and a list of rows for each kind of data. More kinds may be added."""

    format: int
    exported_at: str
    account: list[JsonObject]


@router.get(
    "/export",
    response_model=None,
    responses={200: {"model": ExportRecord}},
)
async def get_export(runtime: RuntimeDependency, authorization: CredentialDependency) -> ExportResponse:
    """Export all data of the caller's account. Doesn't count against the allowance."""
    async with runtime.pool.connection() as connection:
        user_id = (await authenticate_caller(connection, authorization, scope="account")).caller.user_id
    return await export_account(runtime, user_id)
