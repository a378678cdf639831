"""Account holders and their keys."""

import asyncio
import sys
from typing import Annotated
from uuid import UUID

import typer

from relay.cli.shared import Account, account, connected, note
from relay.gateways.enode.languages import is_tag, nearest
from relay.identity.credentials import SCOPES, new_key
from relay.identity.people import approve_user, set_plan, set_role
from relay.identity.repository import add_key, add_user, disable_user, list_keys, revoke_key
from relay.kit.database import connect_as_relay
from relay.kit.errors import StartError
from relay.kit.lines import one_line
from relay.metering.allowance import PLANS
from relay.settings import load_settings
from relay.startup import ready_database
from relay.usecases.delete_account import CLOSE
from relay.usecases.export_account import write_export

ROLES = ("user", "admin")

user_app = typer.Typer(help="Account holders.", no_args_is_help=True)
key_app = typer.Typer(help="API keys, one for each Home Assistant.", no_args_is_help=True)


@user_app.command("add")
def user_add(
    email: Annotated[str, typer.Argument(help="Where this person gets mail.")],
    name: Annotated[str, typer.Option(help="What to call the account in Home Assistant.")] = "",
    language: Annotated[
        str, typer.Option(help="What this person reads, e.g. de or nl-BE; the nearest is taken.")
    ] = "en-US",
) -> None:
    """Add an account holder and print the account's id."""
    if "@" not in email.strip("@"):
        raise StartError(f"{email!r} is no e-mail address")
    if not is_tag(language):
        raise StartError(f"{language!r} is no language tag: give one such as de or nl-BE")
    with connected() as connection:
        user_id = add_user(connection, email=email, name=name, language=nearest(language))
    print(user_id)


@user_app.command("disable")
def user_disable(user: Account) -> None:
    """Switch an account off: its keys are refused and its streams end. What Enode tells is kept all the same."""
    with connected() as connection:
        disable_user(connection, account(connection, user), disabled=True)
    note("switched off; `evconduit user enable` switches it on again")


@user_app.command("enable")
def user_enable(user: Account) -> None:
    """Switch an account on again. It finds everything as if it had only been away."""
    with connected() as connection:
        disable_user(connection, account(connection, user), disabled=False)
    note("switched on")


@user_app.command("approve")
def user_approve(user: Account) -> None:
    """Let somebody in who has made an account, where EVCONDUIT_APPROVAL is true."""
    with connected() as connection:
        fresh = approve_user(connection, account(connection, user))
    note("approved" if fresh else "was approved already")


@user_app.command("plan")
def user_plan(user: Account, plan: Annotated[str, typer.Argument(help=", ".join(PLANS))]) -> None:
    """Give an account another plan, from its next call on. Plans have limits in cloud mode only."""
    if plan not in PLANS:
        raise StartError(f"{plan!r} is no plan: there are {', '.join(PLANS)}")
    with connected() as connection:
        set_plan(connection, account(connection, user), plan)
    note(f"has the plan {plan} now")


@user_app.command("role")
def user_role(user: Account, role: Annotated[str, typer.Argument(help=" or ".join(ROLES))]) -> None:
    """Make somebody an admin, or a user again."""
    if role not in ROLES:
        raise StartError(f"{role!r} is no role: there are {' and '.join(ROLES)}")
    with connected() as connection:
        set_role(connection, account(connection, user), role)
    note(f"is {role} now")


@user_app.command("export")
def user_export(user: Account) -> None:
    """Print everything that an account has, as JSON. It is personal: keep it as its owner would."""
    settings = load_settings()
    with connected(settings) as connection:
        user_id = account(connection, user)
    with ready_database(settings) as conninfo:
        asyncio.run(_print_export(conninfo, user_id))


async def _print_export(conninfo: str, user_id: UUID) -> None:
    async with connect_as_relay(conninfo) as connection:
        await write_export(connection, user_id, sys.stdout.buffer)


@user_app.command("delete")
def user_delete(
    user: Account,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete an account with all that belongs to it, at Enode too. Cannot be undone."""
    with connected() as connection:
        user_id = account(connection, user)
    asked = f"This cannot be undone. Type the account's id ({user_id}) to delete it"
    if not yes and typer.prompt(asked, err=True) != str(user_id):
        raise StartError("that is another id: nothing was deleted")
    with connected() as connection:
        connection.execute(CLOSE, {"user_id": user_id})
    note("closed: its keys and sessions are dead. A running relay deletes the rest within a minute")


@key_app.command("create")
def key_create(
    user: Account,
    name: Annotated[str, typer.Option(help="Which Home Assistant or script it is for.")] = "Home Assistant",
    scope: Annotated[
        list[str] | None, typer.Option(help=f"{' or '.join(SCOPES)}; both unless given. May be given again.")
    ] = None,
) -> None:
    """Make an API key and print it. It is shown this once; only its hash is kept."""
    scopes = list(dict.fromkeys(scope or SCOPES))
    if unknown := set(scopes) - set(SCOPES):
        raise StartError(f"unknown scope {', '.join(sorted(unknown))}: there are {' and '.join(SCOPES)}")
    key = new_key()
    with connected() as connection:
        add_key(connection, account(connection, user), key, name=name, scopes=scopes)
    print(key)
    note("Keep it: it cannot be shown again.")


@key_app.command("list")
def key_list(user: Account) -> None:
    """List an account's keys: how each begins, what it is for, when it was used."""
    with connected() as connection:
        keys = list_keys(connection, account(connection, user))
    for key in keys:
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "active"
        used = f"last used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
        print(f"{key.prefix}…  {state}  {used}  {','.join(key.scopes)}  {one_line(key.name)}")
    if not keys:
        note("no keys: make one with `evconduit key create`")


@key_app.command("revoke")
def key_revoke(
    beginning: Annotated[str, typer.Argument(help="How the key begins, as `evconduit key list` shows it.")],
    user: Account,
) -> None:
    """Revoke a key. Home Assistant is signed out within half a minute and asks for another one."""
    wanted = beginning.rstrip("…")
    with connected() as connection:
        keys = list_keys(connection, account(connection, user))
        found = [key for key in keys if wanted and key.prefix.startswith(wanted) and not key.revoked_at]
        if len(found) != 1:
            raise StartError(f"{len(found)} active keys begin with {wanted!r}: see `evconduit key list`")
        revoke_key(connection, found[0].id)
    note(f"revoked {found[0].prefix}… ({one_line(found[0].name)})")
