"""`evconduit user`: manage accounts."""

import sys
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from relay.cli.shared import RelayAccess, UserOption, print_note, run_story
from relay.identity.roles import ROLES, is_role
from relay.kit.errors import OperatorError
from relay.kit.sanitize import sanitize_line
from relay.plans import PLAN_NAMES, is_plan_name

if TYPE_CHECKING:
    from relay.kit.database import Connection

user_app = typer.Typer(help="Manage accounts.", no_args_is_help=True)


@user_app.command("add")
def user_add(
    email: Annotated[str, typer.Argument(help="Email address of the account holder.")],
    name: Annotated[str | None, typer.Option(help="Name of the account in Home Assistant.")] = None,
    language: Annotated[
        str | None,
        typer.Option(
            help="Language of the account holder, for example de or nl-BE. The nearest supported one is used."
        ),
    ] = None,
) -> None:
    """Add an account and print its ID. A self-hosted relay has one, its owner's, which gets this address."""
    from relay.gateways.enode.languages import is_language_tag, match_language
    from relay.identity.users import is_email_address
    from relay.usecases.admin.manage_users import add_user

    if not is_email_address(email):
        raise OperatorError(f"{email!r} is not an email address: give one such as ada@example.org")
    if language is not None and not is_language_tag(language):
        raise OperatorError(f"{language!r} is not a language tag: give one such as de or nl-BE")

    async def add(relay: RelayAccess) -> UUID:
        if relay.settings.mode == "cloud":
            return await add_user(relay.connection, email=email, name=name or "", language=language or "en-US")
        return await _name_owner(
            relay.connection, email=email, name=name, language=language and match_language(language)
        )

    print(run_story(add))


async def _name_owner(connection: Connection, *, email: str, name: str | None, language: str | None) -> UUID:
    """Create or name the owner of a self-hosted relay. Raises OperatorError if the owner has another address."""
    from relay.identity.sign_in_links import name_owner

    owner, *others = await name_owner(connection, email=email, name=name, language=language)
    if others:
        raise OperatorError(
            "a self-hosted relay has one account, and this one has several already: `evconduit user list` shows them, "
            "and `evconduit user delete` deletes one"
        )
    if owner.email != email:
        raise OperatorError(
            f"this relay belongs to {owner.email} ({owner.id}), and a self-hosted relay has one account: to sign in, "
            f"run `evconduit login`; to change the address, run `evconduit user email {email}`"
        )
    return owner.id


@user_app.command("list")
def user_list(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Number of accounts, oldest first.")] = 100,
) -> None:
    """List the accounts: ID, email address, role, plan, number of cars, and name."""
    from relay.usecases.admin.manage_users import ListedUser, list_users

    async def fetch_users(relay: RelayAccess) -> list[ListedUser]:
        return await list_users(relay.connection, limit)

    users = run_story(fetch_users)
    for user in users:
        state = "  disabled" * user.is_disabled + "  waits for approval" * (not user.is_approved)
        cars = f"{user.vehicles} car{'s' * (user.vehicles != 1)}"
        facts = (
            f"{user.email or 'no email address'}  {user.role}  {user.plan}  {cars}  since {user.created_at:%Y-%m-%d}"
        )
        print(f"{user.id}  {facts}{state}  {sanitize_line(user.name)}".rstrip())
    if not users:
        print_note("No accounts. Create one with `evconduit user add`, or open the link that `evconduit login` prints.")


@user_app.command("email")
def user_email(email: Annotated[str, typer.Argument(help="The new email address.")], user: UserOption = None) -> None:
    """Change the email address of an account on a self-hosted relay. Elsewhere, users change it at Supabase."""
    from relay.identity.users import is_email_address, update_email

    if not is_email_address(email):
        raise OperatorError(f"{email!r} is not an email address: give one such as ada@example.org")

    async def change_email(relay: RelayAccess) -> None:
        if relay.settings.mode == "cloud":
            raise OperatorError("in cloud mode, the address comes from Supabase: the user changes it there")
        await update_email(relay.connection, await relay.get_user_id(user), email)

    run_story(change_email)
    print_note(f"The account's email address is now {email}.")


@user_app.command("disable")
def user_disable(user: UserOption = None) -> None:
    """Disable an account. Its keys are refused and its streams end at once. Updates from Enode are still stored."""
    from relay.usecases.admin.manage_users import disable_user

    async def disable(relay: RelayAccess) -> None:
        await disable_user(relay.connection, await relay.get_user_id(user), relay.close_streams)

    run_story(disable)
    print_note("Account disabled. Enable it again with `evconduit user enable`.")


@user_app.command("enable")
def user_enable(user: UserOption = None) -> None:
    """Enable a disabled account. Its cars have all updates that Enode sent in the meantime."""
    from relay.usecases.admin.manage_users import enable_user

    async def enable(relay: RelayAccess) -> None:
        await enable_user(relay.connection, await relay.get_user_id(user))

    run_story(enable)
    print_note("Account enabled.")


@user_app.command("approve")
def user_approve(user: UserOption = None) -> None:
    """Approve an account that has registered. Required if EVCONDUIT_APPROVAL is true."""
    from relay.usecases.admin.manage_users import approve_user

    async def approve(relay: RelayAccess) -> bool:
        return await approve_user(relay.connection, await relay.get_user_id(user))

    print_note("Account approved." if run_story(approve) else "The account was approved already.")


@user_app.command("reconnect")
def user_reconnect(user: UserOption) -> None:
    """Give an account back to its holder, whose Supabase user was deleted and who has signed in again since.

    Check first that the person is the same one: an email address may have passed to somebody else.
    """
    from relay.usecases.admin.manage_users import reconnect_user

    async def reconnect(relay: RelayAccess) -> bool:
        return await reconnect_user(relay.connection, await relay.get_user_id(user))

    if not run_story(reconnect):
        raise OperatorError("nobody has signed in with this account's email address since it lost its Supabase user")
    print_note("Account reconnected. Its holder can sign in again, and their keys work.")


@user_app.command("plan")
def user_plan(plan: Annotated[str, typer.Argument(help=", ".join(PLAN_NAMES))], user: UserOption = None) -> None:
    """Change the plan of an account, from its next call on. Plans have limits in cloud mode only."""
    from relay.usecases.admin.manage_users import set_plan

    if not is_plan_name(plan):
        raise OperatorError(f"unknown plan {plan!r}: choose one of {', '.join(PLAN_NAMES)}")

    async def change_plan(relay: RelayAccess) -> None:
        await set_plan(relay.connection, await relay.get_user_id(user), plan)

    run_story(change_plan)
    print_note(f"The account's plan is now {plan}.")


@user_app.command("role")
def user_role(role: Annotated[str, typer.Argument(help=" or ".join(ROLES))], user: UserOption = None) -> None:
    """Change the role of an account to admin or user."""
    from relay.usecases.admin.manage_users import set_role

    if not is_role(role):
        raise OperatorError(f"unknown role {role!r}: choose {' or '.join(ROLES)}")

    async def change_role(relay: RelayAccess) -> None:
        await set_role(relay.connection, await relay.get_user_id(user), role)

    run_story(change_role)
    print_note(f"The account's role is now {role}.")


@user_app.command("export")
def user_export(user: UserOption = None) -> None:
    """Print everything stored about an account as JSON. It is personal data: keep it safe."""
    from relay.usecases.account.export_account import write_export

    async def export(relay: RelayAccess) -> None:
        await write_export(relay.connection, await relay.get_user_id(user), sys.stdout.buffer)

    # With timeouts, so that a reader of standard output that stalls doesn't keep the snapshot open.
    run_story(export, with_timeouts=True)


@user_app.command("delete")
def user_delete(
    user: UserOption = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask for confirmation.")] = False,
) -> None:
    """Delete an account and everything that belongs to it, also at Enode. This can't be undone."""
    from relay.usecases.account.deletion_steps import close_account

    async def find_account(relay: RelayAccess) -> UUID:
        return await relay.get_user_id(user)

    user_id = run_story(find_account)
    prompt = f"This can't be undone. To delete the account, type its id ({user_id})"
    if not yes and typer.prompt(prompt, err=True) != str(user_id):
        raise OperatorError("that is not the account's id: nothing was deleted")

    async def close(relay: RelayAccess) -> None:
        await close_account(relay.connection, user_id, relay.close_streams)

    run_story(close)
    print_note(
        "Account closed: its keys and sessions no longer work. A running relay deletes the rest within a minute."
    )
