"""Create and revoke the account's API keys. relay/pages/installations.py lists them."""

from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from relay.identity.credentials import SCOPES
from relay.kit.sanitize import sanitize_line
from relay.pages.cookies import read_cookie, set_flash_cookie
from relay.pages.forms import PostedForm
from relay.pages.identifiers import PathId
from relay.pages.rendering import redirect_to, render_page
from relay.pages.visitors import FreshVisitor, SignedInVisitor, build_sign_in_again_error
from relay.usecases.access.manage_keys import (
    MAX_NAME_LENGTH,
    TooManyKeysError,
    create_key,
    get_key,
    revoke_key,
)
from relay.usecases.calls.runtime import RuntimeDependency

NEW_KEY_COOKIE = "evconduit_made_key"
"""Flash cookie that carries a new key to the page that shows it once."""

router = APIRouter(include_in_schema=False)

type QueryText = Annotated[str, Query(max_length=2000)]


@router.get("/keys")
async def show_key_form(
    request: Request,
    _visitor: FreshVisitor,
    name: QueryText = "",
    chosen: Annotated[list[str] | None, Query(alias="scopes")] = None,
) -> Response:
    """Show a form to create a key, filled in as before signing in again. The keys are listed with the installations."""
    scopes = SCOPES if chosen is None else [scope for scope in SCOPES if scope in chosen]
    return _render_keys(request, name=sanitize_line(name), scopes=scopes)


@router.post("/keys")
async def submit_key(
    request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, form: PostedForm
) -> Response:
    """Create a key and redirect to the page that shows it. After too long on the page, sign in again first."""
    name, scopes = sanitize_line(form.get_text("name")), [scope for scope in SCOPES if scope in form.get_all("scopes")]
    if not visitor.is_fresh:
        fields = [("name", name[:MAX_NAME_LENGTH]), *(("scopes", scope) for scope in scopes)]
        raise build_sign_in_again_error("/keys?" + urlencode(fields))
    errors = _validate_key(name, scopes)
    if not errors:
        try:
            async with runtime.pool.connection() as connection:
                key = await create_key(connection, visitor.user_id, name=name, scopes=scopes)
        except TooManyKeysError:
            errors = {"name": "keys.error.too_many"}
        else:
            response = redirect_to(request, "/keys/made")
            set_flash_cookie(request, response, runtime, NEW_KEY_COOKIE, key)
            return response
    return _render_keys(request, name=name, scopes=scopes, errors=errors)


@router.get("/keys/made")
async def show_new_key(request: Request, runtime: RuntimeDependency, _visitor: SignedInVisitor) -> Response:
    """Show the key that was just created. It can't be shown again."""
    key = read_cookie(request, runtime, NEW_KEY_COOKIE)
    if key is None:
        return redirect_to(request, "/keys")
    response = render_page(request, "key_made.html", key=key)
    set_flash_cookie(request, response, runtime, NEW_KEY_COOKIE, "")
    return response


@router.get("/keys/{key_id}/revoke")
async def show_revoke(
    request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, key_id: PathId
) -> Response:
    """Ask to confirm the revocation."""
    async with runtime.pool.connection() as connection:
        key = await get_key(connection, visitor.user_id, key_id)
    return render_page(request, "key_revoke.html", key=key)


@router.post("/keys/{key_id}/revoke")
async def submit_revoke(
    request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, key_id: PathId, _form: PostedForm
) -> Response:
    """Revoke the key."""
    async with runtime.pool.connection() as connection:
        await revoke_key(connection, visitor.user_id, key_id, runtime.hub.close_credential_streams)
    return redirect_to(request, "/installations", notice="keys.notice.revoked")


def _validate_key(name: str, scopes: Sequence[str]) -> dict[str, str]:
    errors = {}
    if not name:
        errors["name"] = "keys.error.name_missing"
    elif len(name) > MAX_NAME_LENGTH:
        errors["name"] = "keys.error.name_long"
    if not scopes:
        errors["scopes"] = "keys.error.scopes_missing"
    return errors


def _render_keys(
    request: Request, *, name: str = "", scopes: Sequence[str] = SCOPES, errors: Mapping[str, str] | None = None
) -> Response:
    context = {"name": name, "scopes": scopes, "errors": errors or {}, "max_name_length": MAX_NAME_LENGTH}
    return render_page(request, "keys.html", status=422 if errors else 200, **context)
