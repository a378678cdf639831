"""Looking at a relay at work, and stepping in: figures, pauses, the inbox, replays."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, LiteralString

import typer
from psycopg.rows import dict_row

from relay.cli.shared import account, connected, note
from relay.kit.database import SyncConnection
from relay.kit.errors import StartError
from relay.usecases.measure import FIGURES, read
from relay.usecases.replay_inbox import Choice, choose, left, missing, replay
from relay.usecases.switches import SWITCHES, pause, paused

app = typer.Typer()
inbox_app = typer.Typer(help="What Enode sent, as it is kept.", no_args_is_help=True)

What = Annotated[str, typer.Argument(help=" or ".join(SWITCHES))]
NOTHING_MOVES_SECONDS = 15.0
STATES = ("pending", "done", "ignored", "set_aside")

LISTED: LiteralString = """
select id, state, event, user_id, attempts, reason, created_at from webhook_logs
where state = %s order by id desc limit %s
"""
SHOWN: LiteralString = """
select id, account_id, source, state, reason, attempts, event, version, user_id, event_at, created_at, settled_at,
    next_try_at, replayed_at, coalesce(octet_length(raw), octet_length(payload::text)) as bytes, payload, raw
from webhook_logs where id = %s
"""


@app.command()
def status(*, as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False) -> None:
    """Print how the relay does: what waits, when Enode was last heard, what is paused. The figures of /metrics."""
    with connected() as connection:
        found = {it.name: read(it, connection.execute(it.statement).fetchall()) for it in FIGURES}
        if as_json:
            print(json.dumps({it.name: found[it.name] if it.label else found[it.name].get("") for it in FIGURES}))
            return
        for figure in FIGURES:
            values = ", ".join(f"{label} {value:g}".strip() for label, value in found[figure.name].items()) or "-"
            print(f"{figure.name.replace('_', ' '):32} {values:30} {figure.help}")
        print(f"{'switches':32} {', '.join(paused(connection)) or 'nothing'} paused")


@app.command("pause")
def pause_command(what: What) -> None:
    """Pause delivery (streams stay open, nothing is pushed, nothing is lost) or commands (refused with a sentence)."""
    _switch(what, paused=True)


@app.command("resume")
def resume_command(what: What) -> None:
    """End a pause."""
    _switch(what, paused=False)


def _switch(what: str, *, paused: bool) -> None:
    if what not in SWITCHES:
        raise StartError(f"{what!r} cannot be paused: there are {' and '.join(SWITCHES)}")
    with connected() as connection:
        pause(connection, what, paused=paused)
    note(f"{what}: {'paused' if paused else 'resumed'}; it holds for all processes within seconds")


@inbox_app.command("list")
def inbox_list(
    state: Annotated[str, typer.Option(help="pending, done, ignored or set_aside.")] = "set_aside",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 50,
) -> None:
    """List events by state: those set aside are for a person to look at. Nothing of what they say is shown."""
    if state not in STATES:
        raise StartError(f"no event is ever {state!r}: there are {', '.join(STATES)}")
    with connected() as connection, connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(LISTED, [state, limit]).fetchall()
    for row in rows:
        what = f"{row['event'] or 'a body that is no events'}  {row['user_id'] or 'no user'}"
        how = f"tries {row['attempts']}  {row['reason'] or ''}"
        print(f"{row['id']}  {row['created_at']:%Y-%m-%d %H:%M:%S}  {what}  {how}")
    if not rows:
        note(f"nothing is {state.replace('_', ' ')}")


@inbox_app.command("show")
def inbox_show(
    number: Annotated[int, typer.Argument(help="The number that `evconduit inbox list` shows.")],
    *,
    payload: Annotated[bool, typer.Option(help="Also what it says: VIN and place of a car may be in it.")] = False,
) -> None:
    """Show one event of the inbox."""
    with connected() as connection, connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(SHOWN, [number]).fetchone()
    if row is None:
        raise StartError(f"the inbox has no event {number}: it was never there, or its time is over")
    said, raw = row.pop("payload"), row.pop("raw")
    for name, value in row.items():
        print(f"{name:12} {'-' if value is None else value}")
    if payload:
        note("what follows is personal: it says which car it is and may say where it was")
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
        raise StartError("say what to replay: numbers, --user, --since, --until or --set-aside")
    with connected(autocommit=True) as connection:
        if gone := missing(connection, numbers or []):
            raise StartError(f"the inbox has no event {', '.join(map(str, gone))}: never there, or its time is over")
        choice = Choice(
            ids=numbers or None,
            user_id=account(connection, user) if user else None,
            since=_utc(since),
            until=_utc(until),
            state="set_aside" if set_aside else None,
        )
        ids = choose(connection, choice)
        note(f"{len(ids)} events chosen")
        if not dry_run and ids:
            _replay(connection, ids)


def _replay(connection: SyncConnection, ids: Sequence[int]) -> None:
    waiting: tuple[int, ...] = ()
    for progress in replay(connection, ids):
        waiting = progress.waiting
        note(f"{progress.done} of {progress.total} put into the queue, {progress.unreadable} still cannot be read")
    before, moved_at = len(waiting), time.monotonic()
    while before and time.monotonic() - moved_at < NOTHING_MOVES_SECONDS:
        time.sleep(0.2)
        if (now := left(connection, waiting)) != before:
            before, moved_at = now, time.monotonic()
            note(f"{len(waiting) - before} of {len(waiting)} acted on")
    if before:
        note(f"{before} wait: they are acted on as soon as `evconduit serve` or `evconduit work` runs")


def _utc(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
