"""Looking at a relay at work, and stepping in: figures, pauses, the inbox, replays."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, LiteralString

import typer
from psycopg.rows import dict_row

from relay.cli.shared import get_user_id, open_connection, print_note
from relay.kit.database import SyncConnection
from relay.kit.errors import OperatorError
from relay.usecases.calls.pause_switches import PAUSE_SWITCHES, list_paused, set_paused
from relay.usecases.events.replay_inbox import (
    EventFilter,
    count_pending,
    list_event_ids,
    list_missing_ids,
    replay_events,
)
from relay.usecases.operations.collect_metrics import METRICS, parse_metric_rows

app = typer.Typer()
inbox_app = typer.Typer(help="What Enode sent, as it is kept.", no_args_is_help=True)

SwitchArgument = Annotated[str, typer.Argument(help=" or ".join(PAUSE_SWITCHES))]
STALL_TIMEOUT_SECONDS = 15.0
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


@app.command()
def status(*, as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False) -> None:
    """Print how the relay does: what waits, when Enode was last heard, what is paused. The figures of /metrics."""
    with open_connection() as connection:
        found = {it.name: parse_metric_rows(it, connection.execute(it.statement).fetchall()) for it in METRICS}
        if as_json:
            print(json.dumps({it.name: found[it.name] if it.label else found[it.name].get("") for it in METRICS}))
            return
        for figure in METRICS:
            values = ", ".join(f"{label} {value:g}".strip() for label, value in found[figure.name].items()) or "-"
            print(f"{figure.name.replace('_', ' '):32} {values:30} {figure.help}")
        print(f"{'switches':32} {', '.join(list_paused(connection)) or 'nothing'} paused")


@app.command("pause")
def pause_command(what: SwitchArgument) -> None:
    """Pause delivery (streams stay open, nothing is pushed, nothing is lost) or commands (refused with a sentence)."""
    _set_paused(what, paused=True)


@app.command("resume")
def resume_command(what: SwitchArgument) -> None:
    """End a pause."""
    _set_paused(what, paused=False)


def _set_paused(switch: str, *, paused: bool) -> None:
    if switch not in PAUSE_SWITCHES:
        raise OperatorError(f"{switch!r} cannot be paused: there are {' and '.join(PAUSE_SWITCHES)}")
    with open_connection() as connection:
        set_paused(connection, switch, paused=paused)
    print_note(f"{switch}: {'paused' if paused else 'resumed'}; it holds for all processes within seconds")


@inbox_app.command("list")
def inbox_list(
    state: Annotated[str, typer.Option(help="pending, done, ignored or set_aside.")] = "set_aside",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 50,
) -> None:
    """List events by state: those set aside are for a person to look at. Nothing of what they say is shown."""
    if state not in STATES:
        raise OperatorError(f"no event is ever {state!r}: there are {', '.join(STATES)}")
    with open_connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(LIST_EVENTS, [state, limit]).fetchall()
    for row in rows:
        what = f"{row['event'] or 'a body that is no events'}  {row['user_id'] or 'no user'}"
        how = f"tries {row['attempts']}  {row['reason'] or ''}"
        print(f"{row['id']}  {row['created_at']:%Y-%m-%d %H:%M:%S}  {what}  {how}")
    if not rows:
        print_note(f"nothing is {state.replace('_', ' ')}")


@inbox_app.command("show")
def inbox_show(
    number: Annotated[int, typer.Argument(help="The number that `evconduit inbox list` shows.")],
    *,
    payload: Annotated[bool, typer.Option(help="Also what it says: VIN and place of a car may be in it.")] = False,
) -> None:
    """Show one event of the inbox."""
    with open_connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(GET_EVENT, [number]).fetchone()
    if row is None:
        raise OperatorError(f"the inbox has no event {number}: it was never there, or its time is over")
    said, raw = row.pop("payload"), row.pop("raw")
    for name, value in row.items():
        print(f"{name:12} {'-' if value is None else value}")
    if payload:
        print_note("what follows is personal: it says which car it is and may say where it was")
        print(json.dumps(said, indent=2) if said is not None else repr(bytes(raw)))


@app.command("replay")
def replay_command(  # noqa: PLR0913 - each is an option that a person types
    numbers: Annotated[list[int] | None, typer.Argument(help="Events by number, see `evconduit inbox list`.")] = None,
    *,
    user: Annotated[str | None, typer.Option(help="All of this account: e-mail address or id.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Arrived at or after this time, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Arrived before this time, UTC.")] = None,
    set_aside: Annotated[bool, typer.Option("--set-aside", help="Only what was set aside.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many they are.")] = False,
) -> None:
    """Act once more on events of the inbox. Nothing is doubled, and nothing is told as if it happened now."""
    if not (numbers or user or since or until or set_aside):
        raise OperatorError("say what to replay: numbers, --user, --since, --until or --set-aside")
    with open_connection(autocommit=True) as connection:
        if gone := list_missing_ids(connection, numbers or []):
            raise OperatorError(f"the inbox has no event {', '.join(map(str, gone))}: never there, or its time is over")
        choice = EventFilter(
            ids=numbers or None,
            user_id=get_user_id(connection, user) if user else None,
            since=_assume_utc(since),
            until=_assume_utc(until),
            state="set_aside" if set_aside else None,
        )
        ids = list_event_ids(connection, choice)
        print_note(f"{len(ids)} events chosen")
        if not dry_run and ids:
            _replay_events(connection, ids)


def _replay_events(connection: SyncConnection, ids: Sequence[int]) -> None:
    waiting: tuple[int, ...] = ()
    for progress in replay_events(connection, ids):
        waiting = progress.pending_ids
        print_note(
            f"{progress.done} of {progress.total} put into the queue, {progress.unreadable} still cannot be read"
        )
    before, moved_at = len(waiting), time.monotonic()
    while before and time.monotonic() - moved_at < STALL_TIMEOUT_SECONDS:
        time.sleep(0.2)
        if (now := count_pending(connection, waiting)) != before:
            before, moved_at = now, time.monotonic()
            print_note(f"{len(waiting) - before} of {len(waiting)} acted on")
    if before:
        print_note(f"{before} wait: they are acted on as soon as `evconduit serve` or `evconduit work` runs")


def _assume_utc(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
