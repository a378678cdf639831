"""`evconduit key`: manage API keys."""

from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.shared import RelayAccess, UserOption, print_note, run_story
from relay.identity.credentials import SCOPES
from relay.kit.errors import OperatorError
from relay.kit.sanitize import sanitize_line

if TYPE_CHECKING:
    from relay.usecases.access.manage_keys import ApiKey

key_app = typer.Typer(help="Manage API keys. Create one for each Home Assistant or script.", no_args_is_help=True)


@key_app.command("create")
def key_create(
    user: UserOption = None,
    name: Annotated[str, typer.Option(help="Home Assistant or script that uses the key.")] = "Home Assistant",
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"Permission of the key: {' or '.join(SCOPES)}. Repeat it for both; the default is both."),
    ] = None,
) -> None:
    """Create an API key and print it. It can't be shown again: only its hash is stored."""
    from relay.usecases.access.manage_keys import create_key

    scopes = list(dict.fromkeys(scope or SCOPES))
    if unknown := set(scopes) - set(SCOPES):
        raise OperatorError(f"unknown scope {', '.join(sorted(unknown))}: choose {' or '.join(SCOPES)}")

    async def create(relay: RelayAccess) -> str:
        user_id = await relay.get_user_id(user)
        return await create_key(relay.connection, user_id, name=name, scopes=scopes, max_keys=None)

    print(run_story(create))
    print_note("Store the key now: it can't be shown again.")


@key_app.command("list")
def key_list(user: UserOption = None) -> None:
    """List the keys of an account: first characters, state, last use, permissions and name."""
    from relay.usecases.access.manage_keys import list_keys

    async def fetch_keys(relay: RelayAccess) -> list[ApiKey]:
        return await list_keys(relay.connection, await relay.get_user_id(user), include_revoked=True)

    keys = run_story(fetch_keys)
    for key in reversed(keys):
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "active"
        used = f"last used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
        print(f"{key.prefix}…  {state}  {used}  {','.join(key.scopes)}  {sanitize_line(key.name)}")
    if not keys:
        print_note("No keys. Create one with `evconduit key create`.")


@key_app.command("revoke")
def key_revoke(
    beginning: Annotated[str, typer.Argument(help="First characters of the key, as `evconduit key list` shows them.")],
    user: UserOption = None,
) -> None:
    """Revoke a key. Home Assistant is disconnected at once and asks for new credentials."""
    from relay.usecases.access.manage_keys import list_keys, revoke_key

    prefix = beginning.rstrip("…")

    async def revoke(relay: RelayAccess) -> ApiKey:
        user_id = await relay.get_user_id(user)
        keys = await list_keys(relay.connection, user_id)
        matches = [key for key in keys if prefix and key.prefix.startswith(prefix)]
        if len(matches) != 1:
            raise OperatorError(f"{len(matches)} active keys start with {prefix!r}: see `evconduit key list`")
        await revoke_key(relay.connection, user_id, matches[0].id, relay.close_streams)
        return matches[0]

    key = run_story(revoke)
    print_note(f"Key {key.prefix}… ({sanitize_line(key.name)}) revoked.")
