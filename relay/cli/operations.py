"""Commands for a running relay: status, pause and resume."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, LiteralString

import typer

from relay.cli.shared import RelayAccess, print_note, run_story
from relay.kit.errors import OperatorError
from relay.usecases.calls.pause_switch_keys import PAUSE_SWITCHES

if TYPE_CHECKING:
    from relay.usecases.operations.collect_metrics import MeasuredMetric

app = typer.Typer()

SwitchArgument = Annotated[str, typer.Argument(help=" or ".join(PAUSE_SWITCHES))]


@app.command()
def status(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False) -> None:
    """Print how the relay is doing: events, Enode's webhook, deliveries, commands, cars, and what is paused."""
    from relay.cli.status_report import render_status
    from relay.usecases.calls.pause_switches import list_paused
    from relay.usecases.operations.collect_metrics import collect_metrics
    from relay.usecases.operations.webhook_health import STATE_DESCRIPTIONS

    async def collect(relay: RelayAccess) -> tuple[list[MeasuredMetric], list[str]]:
        async def fetch_rows(statement: LiteralString) -> Sequence[tuple[object, ...]]:
            return await (await relay.connection.execute(statement)).fetchall()

        return await collect_metrics(fetch_rows), await list_paused(relay.connection)

    measured, paused = run_story(collect)
    if as_json:
        print(
            json.dumps(
                {item.metric.name: item.values if item.metric.label else item.values.get("") for item in measured}
            )
        )
        return
    print(render_status({item.metric.name: item.values for item in measured}, paused, dict(STATE_DESCRIPTIONS.items())))


@app.command("pause")
def pause_command(what: SwitchArgument) -> None:
    """Pause delivery (streams stay open, changes are delivered after you resume) or commands (refused with 503)."""
    _set_paused(what, paused=True)


@app.command("resume")
def resume_command(what: SwitchArgument) -> None:
    """Resume delivery or commands."""
    _set_paused(what, paused=False)


def _set_paused(switch: str, *, paused: bool) -> None:
    from relay.usecases.calls.pause_switches import set_paused

    if switch not in PAUSE_SWITCHES:
        raise OperatorError(f"{switch!r} can't be paused: choose {' or '.join(PAUSE_SWITCHES)}")

    async def set_switch(relay: RelayAccess) -> None:
        await set_paused(relay.connection, switch, paused=paused)

    run_story(set_switch)
    state = "paused" if paused else "resumed"
    print_note(f"{switch.capitalize()} {state}. All processes of the relay follow within seconds.")
