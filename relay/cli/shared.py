"""What the commands share: a connection as the relay, whose account is meant, a word to the person."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

import typer

from relay.identity.repository import find_users
from relay.kit.database import SyncConnection, connect_as_relay_sync
from relay.kit.errors import OperatorError
from relay.settings import Settings, load_settings
from relay.startup import prepare_database

# No `type` statement: typer does not look inside one.
UserOption = Annotated[str, typer.Option("--user", help="E-mail address or id of the account.")]


@contextmanager
def open_connection(settings: Settings | None = None, *, autocommit: bool = False) -> Iterator[SyncConnection]:
    """A connection as the relay, committed at the end of the block, or statement by statement."""
    with (
        prepare_database(settings or load_settings()) as conninfo,
        connect_as_relay_sync(conninfo, autocommit=autocommit) as made,
    ):
        yield made


def get_user_id(connection: SyncConnection, email_or_id: str) -> UUID:
    """The one open account that is meant. Raises StartError."""
    found = find_users(connection, email_or_id)
    if not found:
        raise OperatorError(f"no account {email_or_id!r}: make one with `evconduit user add`")
    if len(found) > 1:
        ids = ", ".join(map(str, found))
        raise OperatorError(f"several accounts have {email_or_id!r}: name one by its id ({ids})")
    return found[0]


def print_note(text: str) -> None:
    """Tell the person, beside what a script reads from stdout."""
    print(text, file=sys.stderr, flush=True)
