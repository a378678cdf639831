"""Codes that let people in where registration is by invitation."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from relay.cli.shared import open_connection, print_note
from relay.identity.invitations import (
    Invitation,
    create_invitation,
    generate_invitation_code,
    list_invitations,
    revoke_invitation,
)
from relay.kit.errors import OperatorError

app = typer.Typer(help="Invitations, for EVCONDUIT_REGISTRATION=invitation.", no_args_is_help=True)


@app.command("create")
def invite_create(
    uses: Annotated[int, typer.Option(min=1, max=10_000, help="How many people it lets in.")] = 1,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it is good.")] = 30,
    note_: Annotated[str, typer.Option("--note", help="For whom it is; only you see it.")] = "",
) -> None:
    """Make an invitation and print its code. It is shown this once; only its hash is kept."""
    code = generate_invitation_code()
    with open_connection() as connection:
        create_invitation(connection, code, uses=uses, lifetime=timedelta(days=days), note=note_)
    print(code)
    print_note("It is typed on the page /register. It cannot be shown again.")


@app.command("list")
def invite_list() -> None:
    """List invitations: how each begins, how many it has let in, until when it is good."""
    with open_connection() as connection:
        invitations = list_invitations(connection)
    for it in invitations:
        print(f"{it.prefix}-…  {_describe_state(it)}  used {it.used} of {it.uses}  {it.note}".rstrip())
    if not invitations:
        print_note("no invitations: make one with `evconduit invite create`")


@app.command("revoke")
def invite_revoke(
    beginning: Annotated[str, typer.Argument(help="How the code begins, as `evconduit invite list` shows it.")],
) -> None:
    """Revoke an invitation. Who came in by it stays."""
    wanted = beginning.strip().rstrip("…").rstrip("-").upper()
    with open_connection() as connection:
        found = [it for it in list_invitations(connection) if it.prefix == wanted[:4] and it.revoked_at is None]
        if not wanted or len(found) != 1:
            raise OperatorError(f"{len(found)} invitations begin with {wanted!r}: see `evconduit invite list`")
        revoke_invitation(connection, found[0].id)
    print_note(f"revoked {found[0].prefix}-…")


def _describe_state(invitation: Invitation) -> str:
    if invitation.revoked_at is not None:
        return f"revoked {invitation.revoked_at:%Y-%m-%d}"
    ended = invitation.expires_at <= datetime.now(UTC)
    return f"{'ended' if ended else 'good until'} {invitation.expires_at:%Y-%m-%d}"
