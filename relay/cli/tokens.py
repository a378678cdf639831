"""Call tokens: given by the operator, and looked at."""

import secrets
from typing import Annotated

import typer
from psycopg.rows import dict_row

from relay.cli.shared import UserOption, get_user_id, open_connection, print_note
from relay.kit.errors import OperatorError
from relay.metering.call_tokens import FIND_BALANCE, GRANT_TOKENS, LIST_ENTRIES, CallTokenEntry

OPERATOR_SOURCE = "operator"

app = typer.Typer(help="Call tokens: calls that pay when the month's are used up.", no_args_is_help=True)


@app.command("grant")
def tokens_grant(
    amount: Annotated[int, typer.Argument(min=1, max=1_000_000, help="How many.")],
    user: UserOption,
    reference: Annotated[
        str, typer.Option(help="What it is for, e.g. a ticket's number. The same one grants once, to whomever.")
    ] = "",
) -> None:
    """Give an account call tokens and print what it has then. They never expire."""
    with open_connection() as connection:
        entry = CallTokenEntry(
            user_id=get_user_id(connection, user),
            source=OPERATOR_SOURCE,
            source_id=reference or secrets.token_hex(8),
            amount=amount,
        )
        row = connection.execute(GRANT_TOKENS, entry.to_parameters()).fetchone()
        if row is None:
            raise OperatorError(f"{reference!r} has granted call tokens before: nothing was added")
    print(row[0])


@app.command("show")
def tokens_show(
    user: UserOption,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many entries, newest first.")] = 20,
) -> None:
    """Show the call tokens that an account has left, and where they came from and went back to."""
    with open_connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        user_id = get_user_id(connection, user)
        left = cursor.execute(FIND_BALANCE, [user_id]).fetchone()
        entries = cursor.execute(LIST_ENTRIES, [user_id, limit]).fetchall()
    print(left["balance"] if left else 0)
    for it in entries:
        lacking = f" ({it['shortfall']} were spent)" if it["shortfall"] else ""
        print_note(
            f"{it['created_at']:%Y-%m-%d %H:%M}  {it['kind']} {it['amount']}{lacking}  {it['source']} {it['source_id']}"
        )
