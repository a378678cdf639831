"""Account holders and their keys."""

import asyncio
import sys
from typing import Annotated
from uuid import UUID

import typer

from relay.cli.shared import UserOption, get_user_id, open_connection, print_note
from relay.gateways.enode.languages import is_language_tag, match_language
from relay.identity.credentials import SCOPES, generate_api_key
from relay.identity.repository import create_api_key, create_user, list_api_keys, revoke_api_key, set_user_disabled
from relay.identity.users import approve_user, set_plan, set_role
from relay.kit.database import connect_as_relay
from relay.kit.errors import OperatorError
from relay.kit.sanitize import sanitize_line
from relay.plans import PLAN_NAMES
from relay.settings import load_settings
from relay.startup import prepare_database
from relay.usecases.account.deletion_steps import CLOSE_ACCOUNT
from relay.usecases.account.export_account import write_export

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
        raise OperatorError(f"{email!r} is no e-mail address")
    if not is_language_tag(language):
        raise OperatorError(f"{language!r} is no language tag: give one such as de or nl-BE")
    with open_connection() as connection:
        user_id = create_user(connection, email=email, name=name, language=match_language(language))
    print(user_id)


@user_app.command("disable")
def user_disable(user: UserOption) -> None:
    """Switch an account off: its keys are refused and its streams end. What Enode tells is kept all the same."""
    with open_connection() as connection:
        set_user_disabled(connection, get_user_id(connection, user), disabled=True)
    print_note("switched off; `evconduit user enable` switches it on again")


@user_app.command("enable")
def user_enable(user: UserOption) -> None:
    """Switch an account on again. It finds everything as if it had only been away."""
    with open_connection() as connection:
        set_user_disabled(connection, get_user_id(connection, user), disabled=False)
    print_note("switched on")


@user_app.command("approve")
def user_approve(user: UserOption) -> None:
    """Let somebody in who has made an account, where EVCONDUIT_APPROVAL is true."""
    with open_connection() as connection:
        fresh = approve_user(connection, get_user_id(connection, user))
    print_note("approved" if fresh else "was approved already")


@user_app.command("plan")
def user_plan(user: UserOption, plan: Annotated[str, typer.Argument(help=", ".join(PLAN_NAMES))]) -> None:
    """Give an account another plan, from its next call on. Plans have limits in cloud mode only."""
    if plan not in PLAN_NAMES:
        raise OperatorError(f"{plan!r} is no plan: there are {', '.join(PLAN_NAMES)}")
    with open_connection() as connection:
        set_plan(connection, get_user_id(connection, user), plan)
    print_note(f"has the plan {plan} now")


@user_app.command("role")
def user_role(user: UserOption, role: Annotated[str, typer.Argument(help=" or ".join(ROLES))]) -> None:
    """Make somebody an admin, or a user again."""
    if role not in ROLES:
        raise OperatorError(f"{role!r} is no role: there are {' and '.join(ROLES)}")
    with open_connection() as connection:
        set_role(connection, get_user_id(connection, user), role)
    print_note(f"is {role} now")


@user_app.command("export")
def user_export(user: UserOption) -> None:
    """Print everything that an account has, as JSON. It is personal: keep it as its owner would."""
    settings = load_settings()
    with open_connection(settings) as connection:
        user_id = get_user_id(connection, user)
    with prepare_database(settings) as conninfo:
        asyncio.run(_print_export(conninfo, user_id))


async def _print_export(conninfo: str, user_id: UUID) -> None:
    async with connect_as_relay(conninfo) as connection:
        await write_export(connection, user_id, sys.stdout.buffer)


@user_app.command("delete")
def user_delete(
    user: UserOption,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete an account with all that belongs to it, at Enode too. Cannot be undone."""
    with open_connection() as connection:
        user_id = get_user_id(connection, user)
    asked = f"This cannot be undone. Type the account's id ({user_id}) to delete it"
    if not yes and typer.prompt(asked, err=True) != str(user_id):
        raise OperatorError("that is another id: nothing was deleted")
    with open_connection() as connection:
        connection.execute(CLOSE_ACCOUNT, {"user_id": user_id})
    print_note("closed: its keys and sessions are dead. A running relay deletes the rest within a minute")


@key_app.command("create")
def key_create(
    user: UserOption,
    name: Annotated[str, typer.Option(help="Which Home Assistant or script it is for.")] = "Home Assistant",
    scope: Annotated[
        list[str] | None, typer.Option(help=f"{' or '.join(SCOPES)}; both unless given. May be given again.")
    ] = None,
) -> None:
    """Make an API key and print it. It is shown this once; only its hash is kept."""
    scopes = list(dict.fromkeys(scope or SCOPES))
    if unknown := set(scopes) - set(SCOPES):
        raise OperatorError(f"unknown scope {', '.join(sorted(unknown))}: there are {' and '.join(SCOPES)}")
    key = generate_api_key()
    with open_connection() as connection:
        create_api_key(connection, get_user_id(connection, user), key, name=name, scopes=scopes)
    print(key)
    print_note("Keep it: it cannot be shown again.")


@key_app.command("list")
def key_list(user: UserOption) -> None:
    """List an account's keys: how each begins, what it is for, when it was used."""
    with open_connection() as connection:
        keys = list_api_keys(connection, get_user_id(connection, user))
    for key in keys:
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "active"
        used = f"last used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
        print(f"{key.prefix}…  {state}  {used}  {','.join(key.scopes)}  {sanitize_line(key.name)}")
    if not keys:
        print_note("no keys: make one with `evconduit key create`")


@key_app.command("revoke")
def key_revoke(
    beginning: Annotated[str, typer.Argument(help="How the key begins, as `evconduit key list` shows it.")],
    user: UserOption,
) -> None:
    """Revoke a key. Home Assistant is signed out within half a minute and asks for another one."""
    wanted = beginning.rstrip("…")
    with open_connection() as connection:
        keys = list_api_keys(connection, get_user_id(connection, user))
        found = [key for key in keys if wanted and key.prefix.startswith(wanted) and not key.revoked_at]
        if len(found) != 1:
            raise OperatorError(f"{len(found)} active keys begin with {wanted!r}: see `evconduit key list`")
        revoke_api_key(connection, found[0].id)
    print_note(f"revoked {found[0].prefix}… ({sanitize_line(found[0].name)})")
