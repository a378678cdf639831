"""Making an account, with an invitation where one is wanted."""

from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.identity.users import is_email_address
from relay.pages.csrf import read_cookie
from relay.pages.forms import Form, PostedForm
from relay.pages.rendering import redirect_to, render_page
from relay.pages.sign_in_responses import (
    ATTEMPT_COOKIE,
    get_browser_language,
    get_client_address,
    render_outcome,
    render_sign_in_failure,
    start_email_sign_in,
)
from relay.pages.visitors import OptionalVisitor
from relay.usecases.access.sign_in_with_supabase import (
    SignInRequest,
    find_invitation_id,
    find_verified_attempt,
    register_user,
    require_supabase_sign_in,
)
from relay.usecases.calls.runtime import RuntimeDependency, SupabaseSignIn

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistrationForm:
    """What stands in the form, and what is wrong with it by field. `known`: the address that Supabase vouches for."""

    email: str = ""
    code: str = ""
    terms: bool = False
    known: str | None = None
    errors: dict[str, str] = field(default_factory=dict)


@router.get("/register")
async def show_registration(request: Request, runtime: RuntimeDependency, visitor: OptionalVisitor) -> Response:
    """The form; how to get in where there is none."""
    people = require_supabase_sign_in(runtime)
    if visitor is not None:
        return redirect_to(request, "/home")
    attempt = await find_verified_attempt(runtime, read_cookie(request, runtime, ATTEMPT_COOKIE))
    return _render_registration(request, people, RegistrationForm(known=attempt.email if attempt else None))


@router.post("/register")
async def submit_registration(request: Request, runtime: RuntimeDependency, form: PostedForm) -> Response:
    """The form was filled in: a link is mailed, or the account is made where Supabase has said who it is."""
    people = require_supabase_sign_in(runtime)
    if people.registration == "closed":
        return render_sign_in_failure(request, "closed")
    attempt = await find_verified_attempt(runtime, read_cookie(request, runtime, ATTEMPT_COOKIE))
    filled, invitation_id = _parse_form(form, verified_email=attempt.email if attempt else None), None
    if people.registration == "invitation":
        runtime.rate_limiter.check(("invitation", get_client_address(request)))
        invitation_id = await find_invitation_id(runtime, filled.code)
        if invitation_id is None:
            filled.errors["code"] = "register.error.code"
    if filled.errors:
        return _render_registration(request, people, filled)
    if attempt is not None:
        return render_outcome(
            request,
            runtime,
            await register_user(runtime, attempt, invitation_id, language=get_browser_language(request)),
        )
    wish = SignInRequest(
        client_address=get_client_address(request), next_path="/home", invitation_id=invitation_id, accepts_terms=True
    )
    return await start_email_sign_in(request, runtime, wish, filled.email)


def _parse_form(form: Form, *, verified_email: str | None) -> RegistrationForm:
    filled = RegistrationForm(
        email=form.get_text("email"),
        code=form.get_text("code")[:100],
        terms=form.get_text("terms") == "yes",
        known=verified_email,
    )
    if verified_email is None and not is_email_address(filled.email):
        filled.errors["email"] = "sign_in.error.address"
    if not filled.terms:
        filled.errors["terms"] = "register.error.terms"
    return filled


def _render_registration(request: Request, sign_in: SupabaseSignIn, form: RegistrationForm) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render_page(request, "register.html", status=status, registration=sign_in.registration, it=form)
