"""`evconduit`: the relay's command line.

Its modules import only what declares the commands. What a command works with is imported when that command runs: it is
most of the relay, and takes far longer than `--help`, `--version` or a mistyped option should.
"""

import signal
import sys
from typing import Annotated

import typer

from relay.cli import accounts, inbox, invitations, keys, lifecycle, login, operations, sessions, tokens, vehicles
from relay.kit.errors import OperatorError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(lifecycle.app)
app.add_typer(login.app)
app.add_typer(operations.app)
app.add_typer(inbox.app)
app.add_typer(accounts.user_app, name="user")
app.add_typer(invitations.app, name="invite")
app.add_typer(keys.key_app, name="key")
app.add_typer(vehicles.vehicle_app, name="vehicle")
app.add_typer(sessions.sessions_app, name="sessions")
app.add_typer(tokens.app, name="tokens")
app.add_typer(inbox.inbox_app, name="inbox")
app.add_typer(lifecycle.database_app, name="database")


def main() -> None:
    """Run the command. An OperatorError is printed as one line, with exit status 2."""
    # uvicorn raises the signal that stopped it again; the default handler would kill this process before it has
    # stopped the embedded database.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _exit_on_signal)
    try:
        app()
    except OperatorError as error:
        print(f"evconduit: {error}", file=sys.stderr)
        sys.exit(2)


def _exit_on_signal(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def _print_version(requested: bool) -> None:  # noqa: FBT001 - typer's calling convention
    if requested:
        from importlib.metadata import version

        print(version("evconduit-relay"))
        raise typer.Exit


@app.callback()
def _define_global_options(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Run and manage an EVConduit relay, which connects electric cars to Home Assistant."""
