"""The registration form, with an invitation code if the relay requires one."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from relay.identity.users import is_email_address
from relay.kit.client_network import get_request_network
from relay.pages.cookies import read_cookie
from relay.pages.forms import Form, PostedForm
from relay.pages.rendering import redirect_to, render_page
from relay.pages.sign_in.responses import (
    ATTEMPT_COOKIE,
    get_browser_language,
    get_client_address,
    render_outcome,
    render_sign_in_failure,
    start_email_sign_in,
)
from relay.pages.visitors import OptionalVisitor, sanitize_next_path
from relay.usecases.access.begin_sign_in import SignInRequest
from relay.usecases.access.register_user import find_invitation_id, find_verified_attempt, register_user
from relay.usecases.access.require_supabase_sign_in import require_supabase_sign_in
from relay.usecases.calls.runtime import RuntimeDependency, SupabaseSignIn

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistrationForm:
    """Values of the form and its errors by field. `verified_email` is the email address that Supabase has verified.

    `next_path` is the page to open after signing in.
    """

    email: str = ""
    code: str = ""
    terms: bool = False
    verified_email: str | None = None
    next_path: str = "/home"
    errors: dict[str, str] = field(default_factory=dict)


@router.get("/register")
async def show_registration(
    request: Request,
    runtime: RuntimeDependency,
    visitor: OptionalVisitor,
    next_path: Annotated[str | None, Query(alias="next")] = None,
) -> Response:
    """Show the form, or that registration is closed."""
    sign_in = require_supabase_sign_in(runtime)
    if visitor is not None:
        return redirect_to(request, sanitize_next_path(next_path))
    attempt = await find_verified_attempt(runtime, read_cookie(request, runtime, ATTEMPT_COOKIE))
    form = RegistrationForm(
        verified_email=attempt.email if attempt else None,
        next_path=attempt.next_path if attempt else sanitize_next_path(next_path),
    )
    return _render_registration(request, sign_in, form)


@router.post("/register")
async def submit_registration(request: Request, runtime: RuntimeDependency, form: PostedForm) -> Response:
    """Create the account if Supabase has verified the user, else have a sign-in link emailed."""
    sign_in = require_supabase_sign_in(runtime)
    if sign_in.registration == "closed":
        return render_sign_in_failure(request, "registration_closed")
    attempt = await find_verified_attempt(runtime, read_cookie(request, runtime, ATTEMPT_COOKIE))
    values = _parse_form(form, verified_email=attempt.email if attempt else None)
    invitation_id = None
    if sign_in.registration == "invitation":
        runtime.rate_limiter.check(("invitation", get_request_network(request)))
        invitation_id = await find_invitation_id(runtime, values.code)
        if invitation_id is None:
            values.errors["code"] = "register.error.code" if values.code.strip() else "register.error.code_missing"
    if values.errors:
        return _render_registration(request, sign_in, values)
    if attempt is not None:
        language = get_browser_language(request)
        outcome = await register_user(
            runtime, attempt, invitation_id, language=language, client_address=get_client_address(request)
        )
        return await render_outcome(request, runtime, outcome)
    sign_in_request = SignInRequest(
        client_address=get_client_address(request),
        next_path=values.next_path,
        invitation_id=invitation_id,
        accepts_terms=True,
    )
    return await start_email_sign_in(request, runtime, sign_in_request, values.email)


def _parse_form(form: Form, *, verified_email: str | None) -> RegistrationForm:
    values = RegistrationForm(
        email=form.get_text("email"),
        code=form.get_text("code")[:100],
        terms=form.get_text("terms") == "yes",
        verified_email=verified_email,
        next_path=sanitize_next_path(form.get_text("next")),
    )
    if verified_email is None and not is_email_address(values.email):
        values.errors["email"] = "sign_in.error.address"
    if not values.terms:
        values.errors["terms"] = "register.error.terms"
    return values


def _render_registration(request: Request, sign_in: SupabaseSignIn, form: RegistrationForm) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render_page(
        request,
        "register.html",
        status=status,
        registration=sign_in.registration,
        form=form,
        next_path=form.next_path,
    )
