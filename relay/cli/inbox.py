"""`evconduit inbox` and `evconduit replay`: inspect the stored events from Enode, and process them again."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, LiteralString

import typer

from relay.cli.shared import RelayAccess, print_note, run_story
from relay.kit.errors import OperatorError

if TYPE_CHECKING:
    from relay.kit.database import Connection

app = typer.Typer()
inbox_app = typer.Typer(help="Inspect the stored events from Enode.", no_args_is_help=True)

STALL_TIMEOUT_SECONDS = 15.0
"""Replayed events that aren't processed for this long wait for a worker that isn't running."""
PROGRESS_INTERVAL_SECONDS = 0.2
STATES = ("pending", "done", "ignored", "set_aside")

LIST_EVENTS: LiteralString = """
select id, state, event, user_id, attempts, reason, created_at from webhook_logs
where state = %s order by id desc limit %s
"""
GET_EVENT: LiteralString = """
select id, account_id, source, state, reason, attempts, event, version, user_id, event_at, created_at, settled_at,
    next_try_at, replayed_at, coalesce(octet_length(raw), octet_length(payload::text)) as bytes, payload, raw
from webhook_logs where id = %s
"""


@inbox_app.command("list")
def inbox_list(
    state: Annotated[str, typer.Option(help="pending, done, ignored or set_aside.")] = "set_aside",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Number of events, newest first.")] = 50,
) -> None:
    """List events by state. Events that were set aside need your attention. Their contents aren't shown."""
    from psycopg.rows import dict_row

    from relay.kit.database import fetch_all

    if state not in STATES:
        raise OperatorError(f"unknown state {state!r}: choose one of {', '.join(STATES)}")

    async def fetch_events(relay: RelayAccess) -> list[dict[str, Any]]:
        return await fetch_all(relay.connection, LIST_EVENTS, [state, limit], dict_row)

    rows = run_story(fetch_events)
    for row in rows:
        subject = f"{row['event'] or 'unreadable body'}  {row['user_id'] or 'no user'}"
        outcome = f"attempts {row['attempts']}  {row['reason'] or ''}"
        print(f"{row['id']}  {row['created_at']:%Y-%m-%d %H:%M:%S}  {subject}  {outcome}")
    if not rows:
        print_note(f"No events are {state.replace('_', ' ')}.")


@inbox_app.command("show")
def inbox_show(
    number: Annotated[int, typer.Argument(help="Number of the event, as `evconduit inbox list` shows it.")],
    *,
    payload: Annotated[
        bool, typer.Option(help="Also print the contents. They can include a car's VIN and location.")
    ] = False,
) -> None:
    """Show one event of the inbox."""
    from psycopg.rows import dict_row

    from relay.kit.database import fetch_one

    async def fetch_event(relay: RelayAccess) -> dict[str, Any] | None:
        return await fetch_one(relay.connection, GET_EVENT, [number], dict_row)

    row = run_story(fetch_event)
    if row is None:
        raise OperatorError(_describe_missing([number]))
    contents, raw = row.pop("payload"), row.pop("raw")
    for name, value in row.items():
        print(f"{name:12} {'-' if value is None else value}")
    if payload:
        print_note("The following is personal data: it identifies the car and can include its location.")
        print(json.dumps(contents, indent=2) if contents is not None else repr(bytes(raw)))


@app.command("replay")
def replay_command(  # noqa: PLR0913 - each is a command line option
    numbers: Annotated[
        list[int] | None, typer.Argument(help="Numbers of events, as `evconduit inbox list` shows them.")
    ] = None,
    *,
    user: Annotated[str | None, typer.Option(help="All events of this account: email address or ID.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Events that arrived at or after this time, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Events that arrived before this time, UTC.")] = None,
    set_aside: Annotated[bool, typer.Option("--set-aside", help="Only events that were set aside.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the number of events.")] = False,
) -> None:
    """Process stored events again. Nothing is duplicated, and what happened in the past isn't pushed again."""
    from relay.usecases.events.replay_inbox import EventFilter, list_event_ids, list_missing_ids

    if not (numbers or user or since or until or set_aside):
        raise OperatorError("choose the events to replay: numbers, --user, --since, --until or --set-aside")

    async def replay(relay: RelayAccess) -> None:
        if missing := await list_missing_ids(relay.connection, numbers or []):
            raise OperatorError(_describe_missing(missing))
        event_filter = EventFilter(
            ids=numbers or None,
            user_id=await relay.get_user_id(user) if user else None,
            since=_assume_utc(since),
            until=_assume_utc(until),
            state="set_aside" if set_aside else None,
        )
        ids = await list_event_ids(relay.connection, event_filter)
        print_note(f"{len(ids)} events chosen")
        if not dry_run and ids:
            await _wait_until_processed(relay.connection, await _requeue_events(relay.connection, ids))

    run_story(replay)


async def _requeue_events(connection: Connection, ids: Sequence[int]) -> tuple[int, ...]:
    """Queue these events again and print the progress; returns the ids that wait to be processed."""
    from relay.usecases.events.replay_inbox import replay_events

    pending_ids: tuple[int, ...] = ()
    async for progress in replay_events(connection, ids):
        pending_ids = progress.pending_ids
        print_note(f"{progress.done} of {progress.total} queued, {progress.unreadable} still unreadable")
    return pending_ids


async def _wait_until_processed(connection: Connection, ids: tuple[int, ...]) -> None:
    """Print how many are processed until all are, or until none was for STALL_TIMEOUT_SECONDS."""
    import asyncio

    from relay.usecases.events.replay_inbox import count_pending

    remaining, progress_at = len(ids), time.monotonic()
    while remaining and time.monotonic() - progress_at < STALL_TIMEOUT_SECONDS:
        await asyncio.sleep(PROGRESS_INTERVAL_SECONDS)
        pending = await count_pending(connection, ids)
        if pending != remaining:
            remaining, progress_at = pending, time.monotonic()
            print_note(f"{len(ids) - remaining} of {len(ids)} processed")
    if remaining:
        print_note(f"{remaining} are waiting: they are processed when `evconduit serve` or `evconduit work` runs")


def _describe_missing(ids: Sequence[int]) -> str:
    return (
        f"the inbox has no event {', '.join(map(str, ids))}: it never existed, or was deleted when its retention ended"
    )


def _assume_utc(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
