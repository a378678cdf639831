"""The account's profile: name, language, sign-out everywhere, export and deletion."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.gateways.enode.languages import LANGUAGES, match_language
from relay.identity.web_sessions import SignedInUser, end_listed_session, list_web_sessions
from relay.kit.problems import Problem
from relay.kit.sanitize import sanitize_line
from relay.pages.cookies import SESSION_COOKIE, read_cookie, set_cookie
from relay.pages.forms import PostedForm
from relay.pages.identifiers import PathId
from relay.pages.rendering import get_security_headers, get_translator, redirect_to, render_page
from relay.pages.visitors import FreshVisitor, SignedInVisitor
from relay.usecases.account.delete_account import request_deletion
from relay.usecases.account.export_account import export_account
from relay.usecases.account.update_profile import MAX_NAME_LENGTH, sign_out_everywhere, update_profile
from relay.usecases.calls.runtime import Runtime, RuntimeDependency

# Each language is named in itself, so that its speakers find it.
LANGUAGE_NAMES: Mapping[str, str] = {
    "da-DK": "Dansk",
    "de-DE": "Deutsch",
    "en-GB": "English (UK)",
    "en-US": "English (US)",
    "es-ES": "Español",
    "fr-FR": "Français",
    "lv-LV": "Latviešu",
    "lt-LT": "Lietuvių",
    "nl-NL": "Nederlands",
    "nl-BE": "Nederlands (België)",
    "nb-NO": "Norsk bokmål",
    "pl-PL": "Polski",
    "pt-PT": "Português",
    "ro-RO": "Română",
    "fi-FI": "Suomi",
    "sv-SE": "Svenska",
    "ja-JP": "日本語",
}

router = APIRouter(include_in_schema=False)


@router.get("/profile")
async def show_profile(request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor) -> Response:
    """Show name, language, email address and signed-in browsers."""
    return await _render_profile(request, runtime, visitor, name=visitor.name, language=visitor.language)


@router.post("/profile")
async def submit_profile(
    request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, form: PostedForm
) -> Response:
    """Save name and language."""
    # Link pages show the name to other people, in front of the email address, which it must not hide.
    name, language = sanitize_line(form.get_text("name")), form.get_text("language")
    errors = {}
    if len(name) > MAX_NAME_LENGTH:
        errors["name"] = "profile.error.name_long"
    if language not in LANGUAGES:
        errors["language"] = "profile.error.language"
    if errors:
        return await _render_profile(request, runtime, visitor, name=name, language=language, errors=errors)
    await update_profile(runtime, visitor.user_id, name=name, language=language)
    return redirect_to(request, "/profile", notice="profile.notice.saved")


@router.post("/profile/sign-out-everywhere")
async def submit_sign_out_everywhere(
    request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, _form: PostedForm
) -> Response:
    """End all web sessions, including this one."""
    await sign_out_everywhere(runtime, visitor.user_id)
    response = redirect_to(request, "/sign-in", notice="profile.notice.signed_out")
    set_cookie(request, response, runtime, SESSION_COOKIE, "", max_age=0)
    return response


@router.post("/profile/browsers/{browser_id}/sign-out")
async def submit_end_session(
    request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, browser_id: PathId, _form: PostedForm
) -> Response:
    """Sign out one of the user's browsers."""
    async with runtime.pool.connection() as connection:
        if not await end_listed_session(connection, visitor.user_id, browser_id):
            raise Problem(404, "not-found", "Nothing in your account has this id.")
    return redirect_to(request, "/profile", notice="profile.notice.session_ended")


@router.get("/profile/export")
async def show_export(request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor) -> Response:
    """Download all data of the account."""
    response = await export_account(runtime, visitor.user_id)
    response.headers.update(get_security_headers(request))
    return response


@router.get("/profile/delete")
async def show_delete(request: Request, _visitor: FreshVisitor) -> Response:
    """Ask to confirm the deletion by typing a word."""
    return render_page(request, "profile_delete.html", typed="", error=None)


@router.post("/profile/delete")
async def submit_delete(
    request: Request, runtime: RuntimeDependency, visitor: FreshVisitor, form: PostedForm
) -> Response:
    """Delete the account if the typed word is right."""
    typed = form.get_text("word")
    if typed.casefold() != get_translator(request)("profile.delete_word").casefold():
        return render_page(request, "profile_delete.html", status=422, typed=typed, error="profile.error.delete_word")
    await request_deletion(runtime, visitor.user_id)
    response = redirect_to(request, "/", notice="profile.notice.deleted")
    set_cookie(request, response, runtime, SESSION_COOKIE, "", max_age=0)
    return response


async def _render_profile(  # noqa: PLR0913 - the form's fields
    request: Request,
    runtime: Runtime,
    visitor: SignedInUser,
    *,
    name: str,
    language: str,
    errors: Mapping[str, str] | None = None,
) -> Response:
    async with runtime.pool.connection() as connection:
        sessions = await list_web_sessions(connection, visitor.user_id, read_cookie(request, runtime, SESSION_COOKIE))
    context = {
        "name": name,
        "language": match_language(language) if not errors else language,
        "languages": list(LANGUAGE_NAMES.items()),
        "max_name_length": MAX_NAME_LENGTH,
        "email": visitor.email,
        "sessions": sessions,
        "errors": errors or {},
    }
    return render_page(request, "profile.html", status=422 if errors else 200, **context)
