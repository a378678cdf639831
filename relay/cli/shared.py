"""Shared by the commands: access to the relay's database, the --user option, and notes on standard error."""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from relay.kit.errors import OperatorError
from relay.kit.problems import Problem

if TYPE_CHECKING:
    from relay.kit.database import Connection
    from relay.settings import Settings
    from relay.streams.hub import CloseStreams

# Not a `type` alias: typer doesn't resolve those.
UserOption = Annotated[
    str | None,
    typer.Option("--user", help="Email address or ID of the account. On a self-hosted relay: its owner by default."),
]


CREATE_ACCOUNT = "create one with `evconduit user add`"


@dataclass(frozen=True, kw_only=True, slots=True)
class RelayAccess:
    """What a command works with. The connection has the relay's rights and commits each statement."""

    settings: Settings
    connection: Connection
    # Ids are collected and published to all running relay processes when the command's coroutine has ended.
    close_streams: CloseStreams

    async def get_user_id(self, email_or_id: str | None) -> UUID:
        """The id of the open account that `--user` names, or of a self-hosted relay's owner without that option.

        Raises OperatorError unless it is exactly one.
        """
        from relay.identity.users import find_open_users

        if email_or_id is None:
            return await self._get_owner_id()
        user_ids = await find_open_users(self.connection, email_or_id)
        if not user_ids:
            raise OperatorError(f"no account {email_or_id!r}: see `evconduit user list`, or {CREATE_ACCOUNT}")
        if len(user_ids) > 1:
            ids = ", ".join(map(str, user_ids))
            raise OperatorError(f"several accounts have {email_or_id!r}: give one of their ids ({ids})")
        return user_ids[0]

    async def find_owner_id(self) -> UUID | None:
        """The id of a self-hosted relay's only account; None when there is none yet. Raises OperatorError."""
        from relay.identity.sign_in_links import list_owners

        if self.settings.mode == "cloud":
            raise OperatorError("this relay has many accounts: choose one with --user")
        owners = await list_owners(self.connection)
        if len(owners) > 1:
            raise OperatorError("there are several accounts: choose one with --user; `evconduit user list` shows them")
        return owners[0].id if owners else None

    async def _get_owner_id(self) -> UUID:
        owner_id = await self.find_owner_id()
        if owner_id is None:
            raise OperatorError(
                f"there is no account yet: open the link that `evconduit login` prints, or {CREATE_ACCOUNT}"
            )
        return owner_id


type Story[Result] = Callable[[RelayAccess], Awaitable[Result]]
"""The part of a command that needs the database, as a coroutine function."""


def run_story[Result](story: Story[Result], settings: Settings | None = None, *, with_timeouts: bool = False) -> Result:
    """Open the database and run one coroutine on it. A Problem that it raises becomes one line for the operator.

    By default its statements may run, and wait for a lock, for as long as they need: a replay reads the whole inbox.
    With timeouts they have those of a running relay.
    """
    import asyncio

    from relay.settings import load_settings
    from relay.startup import prepare_database

    settings = settings or load_settings()
    with prepare_database(settings) as conninfo:
        return asyncio.run(_run_story(story, settings, conninfo, with_timeouts=with_timeouts))


async def _run_story[Result](story: Story[Result], settings: Settings, conninfo: str, *, with_timeouts: bool) -> Result:
    from relay.kit.database import connect_as_relay

    revoked: set[UUID] = set()
    async with connect_as_relay(conninfo, with_timeouts=with_timeouts) as connection:
        try:
            result = await story(RelayAccess(settings=settings, connection=connection, close_streams=revoked.add))
        except Problem as problem:
            raise OperatorError(problem.detail) from None
    if revoked:
        from relay.cli.revocations import publish_revoked

        await publish_revoked(settings, conninfo, revoked)
    return result


def print_note(text: str) -> None:
    """Print to standard error, so that standard output holds only what a script reads."""
    print(text, file=sys.stderr, flush=True)
