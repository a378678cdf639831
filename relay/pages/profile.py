"""The account itself: what it is called, the language it speaks, where it is signed in; taken along, and ended."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.gateways.enode.languages import LANGUAGES, nearest
from relay.identity.sessions import SessionHolder
from relay.kit.lines import one_line
from relay.pages.csrf import SESSION, put_cookie
from relay.pages.forms import PostedForm
from relay.pages.rendering import go, page, safe_headers, translator
from relay.pages.visitors import SignedIn
from relay.usecases.change_profile import LONGEST_NAME, change_profile, sign_out_everywhere
from relay.usecases.delete_account import request_deletion
from relay.usecases.export_account import export
from relay.usecases.runtime import RuntimeDependency

# In their own words: who looks for a language reads that one.
NAMES: Mapping[str, str] = {
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
async def profile(request: Request, visitor: SignedIn) -> Response:
    """The account as it is."""
    return _show(request, visitor, visitor.name, visitor.language)


@router.post("/profile")
async def change(request: Request, runtime: RuntimeDependency, visitor: SignedIn, form: PostedForm) -> Response:
    """The account as it shall be."""
    # It stands on pages that tell others whose account this is, before an address that it must not hide.
    name, language = one_line(form.text("name")), form.text("language")
    errors = {}
    if len(name) > LONGEST_NAME:
        errors["name"] = "profile.error.name_long"
    if language not in LANGUAGES:
        errors["language"] = "profile.error.language"
    if errors:
        return _show(request, visitor, name, language, errors)
    await change_profile(runtime, visitor.user_id, name=name, language=language)
    return go(request, "/profile", notice="profile.notice.saved")


@router.post("/profile/sign-out-everywhere")
async def leave(request: Request, runtime: RuntimeDependency, visitor: SignedIn, _form: PostedForm) -> Response:
    """End every browser's session, this one's too."""
    await sign_out_everywhere(runtime, visitor.user_id)
    answer = go(request, "/sign-in", notice="profile.notice.signed_out")
    put_cookie(answer, runtime, SESSION, "", seconds=0)
    return answer


@router.get("/profile/export")
async def take_along(request: Request, runtime: RuntimeDependency, visitor: SignedIn) -> Response:
    """Everything about the account, as a file."""
    answer = await export(runtime, visitor.user_id)
    answer.headers.update(safe_headers(request))
    return answer


@router.get("/profile/delete")
async def ask(request: Request, _visitor: SignedIn) -> Response:
    """Whether that is really meant: a word has to be typed."""
    return page(request, "profile_delete.html", typed="", error=None)


@router.post("/profile/delete")
async def delete(request: Request, runtime: RuntimeDependency, visitor: SignedIn, form: PostedForm) -> Response:
    """It is, when the word is right."""
    typed = form.text("word")
    if typed.casefold() != translator(request)("profile.delete_word").casefold():
        return page(request, "profile_delete.html", status=422, typed=typed, error="profile.error.delete_word")
    await request_deletion(runtime, visitor.user_id)
    answer = go(request, "/", notice="profile.notice.deleted")
    put_cookie(answer, runtime, SESSION, "", seconds=0)
    return answer


def _show(
    request: Request, visitor: SessionHolder, name: str, language: str, errors: Mapping[str, str] | None = None
) -> Response:
    context = {
        "name": name,
        "language": nearest(language) if not errors else language,
        "languages": list(NAMES.items()),
        "longest_name": LONGEST_NAME,
        "email": visitor.email,
        "errors": errors or {},
    }
    return page(request, "profile.html", status=422 if errors else 200, **context)
