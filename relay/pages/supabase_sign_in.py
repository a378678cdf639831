"""Signing in where there are many people: what the page /sign-in posts, and where the browser comes back to."""

from http import HTTPStatus
from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from relay.gateways.supabase import LinkKind, Provider
from relay.identity.sign_in_attempts import count_sign_in_try
from relay.identity.users import is_email_address
from relay.kit.problems import Problem
from relay.pages.csrf import read_cookie
from relay.pages.forms import PostedForm
from relay.pages.rendering import get_security_headers, redirect_to, render_page
from relay.pages.sign_in_responses import (
    ATTEMPT_COOKIE,
    get_browser_language,
    get_client_address,
    render_outcome,
    render_sign_in_failure,
    render_sign_in_options,
    set_attempt_cookie,
    start_email_sign_in,
)
from relay.pages.visitors import sanitize_next_path
from relay.usecases.access.sign_in_with_supabase import (
    CALLBACK_PATH,
    STATUS_BY_ERROR_CODE,
    SignInRequest,
    begin_sign_in,
    finish_sign_in_with_code,
    finish_sign_in_with_link,
    get_provider_url,
    has_open_attempt,
    require_supabase_sign_in,
)
from relay.usecases.calls.runtime import Runtime, RuntimeDependency

router = APIRouter(include_in_schema=False)

LINK_KINDS: tuple[LinkKind, ...] = get_args(LinkKind.__value__)

type QueryText = Annotated[str | None, Query(max_length=2000)]


@router.post("/sign-in")
async def submit_sign_in(request: Request, runtime: RuntimeDependency, form: PostedForm) -> Response:
    """Have a link mailed."""
    people = require_supabase_sign_in(runtime)
    email, next_path = form.get_text("email"), sanitize_next_path(form.get_text("next"))
    if not is_email_address(email):
        return render_sign_in_options(request, people, next_path=next_path, email=email, error="sign_in.error.address")
    return await start_email_sign_in(
        request, runtime, SignInRequest(client_address=get_client_address(request), next_path=next_path), email
    )


@router.post("/sign-in/with/{name}")
async def redirect_to_provider(name: str, request: Request, runtime: RuntimeDependency, form: PostedForm) -> Response:
    """Off to GitHub or Google, by way of Supabase."""
    provider: Provider | None = next((it for it in require_supabase_sign_in(runtime).providers if it == name), None)
    if provider is None:
        raise Problem(404, "not-found", "There is no such way to sign in here.")
    wish = SignInRequest(
        client_address=get_client_address(request), next_path=sanitize_next_path(form.get_text("next"))
    )
    token = await begin_sign_in(runtime, wish)
    to = await get_provider_url(runtime, token, provider)
    answer = RedirectResponse(to, HTTPStatus.SEE_OTHER, headers=get_security_headers(request))
    set_attempt_cookie(answer, runtime, token)
    return answer


@router.get(CALLBACK_PATH)
async def handle_callback(  # noqa: PLR0913 - what Supabase may put into the address
    request: Request,
    runtime: RuntimeDependency,
    *,
    code: QueryText = None,
    token_hash: QueryText = None,
    kind: Annotated[str | None, Query(alias="type", max_length=50)] = None,
    error: QueryText = None,
    error_code: QueryText = None,
) -> Response:
    """The browser comes back from a mail or from a provider."""
    require_supabase_sign_in(runtime)
    token = read_cookie(request, runtime, ATTEMPT_COOKIE)
    if code is not None:
        await _count_sign_in_try(runtime, token)
        outcome = await finish_sign_in_with_code(runtime, token, code, language=get_browser_language(request))
        return render_outcome(request, runtime, outcome)
    if token_hash is not None and kind in LINK_KINDS:
        ours = await has_open_attempt(runtime, token)
        return render_page(request, "sign_in_press.html", token_hash=token_hash, kind=kind, ours=ours)
    if error is None and error_code is None and token_hash is None:
        return redirect_to(request, "/sign-in")
    return render_sign_in_failure(request, _get_status(error, error_code, is_link=token_hash is not None))


@router.post(CALLBACK_PATH)
async def submit_callback(request: Request, runtime: RuntimeDependency, form: PostedForm) -> Response:
    """The button under a link's token was pressed: a person is here, and no program that looks into mails."""
    require_supabase_sign_in(runtime)
    kind = next((it for it in LINK_KINDS if it == form.get_text("type")), None)
    if kind is None or not form.get_text("token_hash"):
        return render_sign_in_failure(request, "dead")
    token = read_cookie(request, runtime, ATTEMPT_COOKIE)
    await _count_sign_in_try(runtime, token)
    outcome = await finish_sign_in_with_link(
        runtime,
        token,
        (form.get_text("token_hash"), kind),
        language=get_browser_language(request),
        client_address=get_client_address(request),
    )
    return render_outcome(request, runtime, outcome)


async def _count_sign_in_try(runtime: Runtime, attempt_token: str | None) -> None:
    if attempt_token is not None:
        async with runtime.pool.connection() as connection:
            await count_sign_in_try(connection, attempt_token)


def _get_status(error: str | None, error_code: str | None, *, is_link: bool) -> str:
    """In our own words: what an address says can be anybody's."""
    if is_link:
        return "dead"
    return STATUS_BY_ERROR_CODE.get(error_code or "", "cancelled" if error == "access_denied" else "failed")
