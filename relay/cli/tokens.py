"""`evconduit tokens`: grant call tokens, and show those of an account."""

import secrets
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.shared import RelayAccess, UserOption, print_note, run_story
from relay.kit.errors import OperatorError

if TYPE_CHECKING:
    from relay.metering.call_tokens import LedgerEntry

OPERATOR_SOURCE = "operator"

app = typer.Typer(
    help="Manage call tokens: they pay for calls when the month's allowance is used up.", no_args_is_help=True
)


@app.command("grant")
def tokens_grant(
    amount: Annotated[int, typer.Argument(min=1, max=1_000_000, help="Number of call tokens.")],
    user: UserOption = None,
    reference: Annotated[
        str,
        typer.Option(help="Reason, for example a ticket number. Each reference can be used only once."),
    ] = "",
) -> None:
    """Grant call tokens to an account and print its new balance. Call tokens don't expire."""
    from relay.metering.call_tokens import CallTokenEntry, grant_call_tokens

    async def grant(relay: RelayAccess) -> int | None:
        entry = CallTokenEntry(
            user_id=await relay.get_user_id(user),
            source=OPERATOR_SOURCE,
            source_id=reference or secrets.token_hex(8),
            amount=amount,
        )
        return await grant_call_tokens(relay.connection, entry)

    balance = run_story(grant)
    if balance is None:
        raise OperatorError(f"call tokens were granted for {reference!r} before: nothing was added")
    print(balance)


@app.command("show")
def tokens_show(
    user: UserOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Number of ledger entries, newest first.")] = 20,
) -> None:
    """Print an account's remaining call tokens and its ledger."""
    from relay.metering.call_tokens import get_call_token_balance, list_call_token_entries

    async def fetch_ledger(relay: RelayAccess) -> tuple[int, list[LedgerEntry]]:
        user_id = await relay.get_user_id(user)
        balance = await get_call_token_balance(relay.connection, user_id)
        return balance, await list_call_token_entries(relay.connection, user_id, limit)

    balance, entries = run_story(fetch_ledger)
    print(balance)
    for entry in entries:
        shortfall = f" ({entry.shortfall} were already spent)" if entry.shortfall else ""
        amount = f"{entry.kind} {entry.amount}{shortfall}"
        print_note(f"{entry.created_at:%Y-%m-%d %H:%M}  {amount}  {entry.source} {entry.source_id}")
