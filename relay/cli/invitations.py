"""`evconduit invite`: manage invitation codes, for a relay where registration is by invitation."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.shared import RelayAccess, print_note, run_story
from relay.kit.errors import OperatorError

if TYPE_CHECKING:
    from relay.identity.invitations import Invitation

app = typer.Typer(help="Manage invitations, for EVCONDUIT_REGISTRATION=invitation.", no_args_is_help=True)


@app.command("create")
def invite_create(
    uses: Annotated[int, typer.Option(min=1, max=10_000, help="How many people can register with it.")] = 1,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days until it expires.")] = 30,
    note_: Annotated[str, typer.Option("--note", help="A note for yourself, for example who it's for.")] = "",
) -> None:
    """Create an invitation and print its code. It can't be shown again: only its hash is stored."""
    from relay.identity.invitations import create_invitation, generate_invitation_code

    code = generate_invitation_code()

    async def create(relay: RelayAccess) -> None:
        await create_invitation(relay.connection, code, uses=uses, lifetime=timedelta(days=days), note=note_)

    run_story(create)
    print(code)
    print_note("Store the code now: it can't be shown again. People enter it on the page /register.")


@app.command("list")
def invite_list() -> None:
    """List invitations: first characters, state, uses and note."""
    from relay.identity.invitations import list_invitations

    async def fetch_invitations(relay: RelayAccess) -> list[Invitation]:
        return await list_invitations(relay.connection)

    invitations = run_story(fetch_invitations)
    for invitation in invitations:
        used = f"used {invitation.used} of {invitation.uses}"
        print(f"{invitation.prefix}-…  {_describe_state(invitation)}  {used}  {invitation.note}".rstrip())
    if not invitations:
        print_note("No invitations. Create one with `evconduit invite create`.")


@app.command("revoke")
def invite_revoke(
    beginning: Annotated[
        str, typer.Argument(help="First characters of the code, as `evconduit invite list` shows them.")
    ],
) -> None:
    """Revoke an invitation. Accounts that were registered with it stay."""
    from relay.identity.invitations import list_invitations, revoke_invitation

    prefix = beginning.strip().rstrip("…").rstrip("-").upper()

    async def revoke(relay: RelayAccess) -> Invitation:
        invitations = await list_invitations(relay.connection)
        matches = [
            invitation
            for invitation in invitations
            if invitation.prefix == prefix[:4] and invitation.revoked_at is None
        ]
        if not prefix or len(matches) != 1:
            raise OperatorError(f"{len(matches)} invitations start with {prefix!r}: see `evconduit invite list`")
        await revoke_invitation(relay.connection, matches[0].id)
        return matches[0]

    print_note(f"Invitation {run_story(revoke).prefix}-… revoked.")


def _describe_state(invitation: Invitation) -> str:
    if invitation.revoked_at is not None:
        return f"revoked {invitation.revoked_at:%Y-%m-%d}"
    has_expired = invitation.expires_at <= datetime.now(UTC)
    return f"{'expired' if has_expired else 'expires'} {invitation.expires_at:%Y-%m-%d}"
