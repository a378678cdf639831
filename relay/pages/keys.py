"""The account's API keys: made, shown once, revoked."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.identity.credentials import SCOPES
from relay.identity.sessions import SessionHolder
from relay.kit.lines import one_line
from relay.pages.csrf import hand_over, read_cookie
from relay.pages.forms import PostedForm
from relay.pages.identifiers import PathId
from relay.pages.rendering import go, page
from relay.pages.visitors import SignedIn
from relay.usecases.manage_keys import (
    LONGEST_NAME,
    TooManyKeysError,
    find_key,
    make_key,
    revoke_key,
    show_keys,
)
from relay.usecases.runtime import Runtime, RuntimeDependency

MADE = "evconduit_made_key"
"""The cookie that carries a new key over the redirect to the page that shows it, and is taken away there."""

router = APIRouter(include_in_schema=False)


@router.get("/keys")
async def keys(request: Request, runtime: RuntimeDependency, visitor: SignedIn) -> Response:
    """The keys that work, and a form for a new one."""
    return await _list(request, runtime, visitor)


@router.post("/keys")
async def make(request: Request, runtime: RuntimeDependency, visitor: SignedIn, form: PostedForm) -> Response:
    """Make a key; the next page shows it."""
    name, scopes = one_line(form.text("name")), [it for it in SCOPES if it in form.every("scopes")]
    errors = _mistakes(name, scopes)
    if not errors:
        try:
            async with runtime.pool.connection() as connection:
                key = await make_key(connection, visitor.user_id, name=name, scopes=scopes)
        except TooManyKeysError:
            errors = {"name": "keys.error.too_many"}
        else:
            answer = go(request, "/keys/made")
            hand_over(request, answer, runtime, MADE, key)
            return answer
    return await _list(request, runtime, visitor, name=name, scopes=scopes, errors=errors)


@router.get("/keys/made")
async def made(request: Request, runtime: RuntimeDependency, _visitor: SignedIn) -> Response:
    """The key that was just made, this once."""
    key = read_cookie(request, runtime, MADE)
    if key is None:
        return go(request, "/keys")
    answer = page(request, "key_made.html", key=key)
    hand_over(request, answer, runtime, MADE, "")
    return answer


@router.get("/keys/{key_id}/revoke")
async def ask(request: Request, runtime: RuntimeDependency, visitor: SignedIn, key_id: PathId) -> Response:
    """Whether that is really meant."""
    async with runtime.pool.connection() as connection:
        key = await find_key(connection, visitor.user_id, key_id)
    return page(request, "key_revoke.html", key=key)


@router.post("/keys/{key_id}/revoke")
async def revoke(
    request: Request, runtime: RuntimeDependency, visitor: SignedIn, key_id: PathId, _form: PostedForm
) -> Response:
    """It is."""
    await revoke_key(runtime, visitor.user_id, key_id)
    return go(request, "/keys", notice="keys.notice.revoked")


def _mistakes(name: str, scopes: Sequence[str]) -> dict[str, str]:
    errors = {}
    if not name:
        errors["name"] = "keys.error.name_missing"
    elif len(name) > LONGEST_NAME:
        errors["name"] = "keys.error.name_long"
    if not scopes:
        errors["scopes"] = "keys.error.scopes_missing"
    return errors


async def _list(  # noqa: PLR0913 - what was typed comes back
    request: Request,
    runtime: Runtime,
    visitor: SessionHolder,
    *,
    name: str = "",
    scopes: Sequence[str] = SCOPES,
    errors: Mapping[str, str] | None = None,
) -> Response:
    async with runtime.pool.connection() as connection:
        shown = await show_keys(connection, visitor.user_id)
    context = {"keys": shown, "name": name, "scopes": scopes, "errors": errors or {}, "longest_name": LONGEST_NAME}
    return page(request, "keys.html", status=422 if errors else 200, **context)
