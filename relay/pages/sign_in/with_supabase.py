"""Sign in with Supabase: the forms of /sign-in, and the callback that emailed links and providers lead to."""

from http import HTTPStatus
from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from relay.gateways.supabase import LinkKind, Provider
from relay.identity.sign_in_attempts import count_sign_in_try
from relay.identity.users import is_email_address
from relay.kit.problems import Problem
from relay.pages.cookies import read_cookie
from relay.pages.forms import PostedForm
from relay.pages.rendering import get_security_headers, redirect_to, render_page
from relay.pages.sign_in.responses import (
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
from relay.usecases.access.begin_sign_in import (
    CALLBACK_PATH,
    SignInRequest,
    begin_sign_in,
    find_open_attempt,
    get_provider_url,
)
from relay.usecases.access.finish_sign_in import finish_sign_in_with_code, finish_sign_in_with_link
from relay.usecases.access.require_supabase_sign_in import require_supabase_sign_in
from relay.usecases.access.sign_in_outcome import STATUS_BY_ERROR_CODE
from relay.usecases.calls.runtime import Runtime, RuntimeDependency

router = APIRouter(include_in_schema=False)

LINK_KINDS: tuple[LinkKind, ...] = get_args(LinkKind.__value__)

type QueryText = Annotated[str | None, Query(max_length=2000)]


@router.post("/sign-in")
async def submit_sign_in(request: Request, runtime: RuntimeDependency, form: PostedForm) -> Response:
    """Have a sign-in link emailed."""
    sign_in = require_supabase_sign_in(runtime)
    email, next_path = form.get_text("email"), sanitize_next_path(form.get_text("next"))
    if not is_email_address(email):
        return render_sign_in_options(request, sign_in, next_path=next_path, email=email, error="sign_in.error.address")
    sign_in_request = SignInRequest(client_address=get_client_address(request), next_path=next_path)
    return await start_email_sign_in(request, runtime, sign_in_request, email)


@router.post("/sign-in/with/{name}")
async def submit_provider(name: str, request: Request, runtime: RuntimeDependency, form: PostedForm) -> Response:
    """Redirect to GitHub or Google, by way of Supabase."""
    providers = require_supabase_sign_in(runtime).providers
    provider: Provider | None = next((candidate for candidate in providers if candidate == name), None)
    if provider is None:
        raise Problem(404, "not-found", "Sign-in with this provider isn't enabled. Use another way to sign in.")
    sign_in_request = SignInRequest(
        client_address=get_client_address(request), next_path=sanitize_next_path(form.get_text("next"))
    )
    token = await begin_sign_in(runtime, sign_in_request)
    url = await get_provider_url(runtime, token, provider)
    response = RedirectResponse(url, HTTPStatus.SEE_OTHER, headers=get_security_headers(request))
    set_attempt_cookie(request, response, runtime, token)
    return response


@router.get(CALLBACK_PATH)
async def show_callback(  # noqa: PLR0913 - Supabase's query parameters
    request: Request,
    runtime: RuntimeDependency,
    *,
    code: QueryText = None,
    token_hash: QueryText = None,
    kind: Annotated[str | None, Query(alias="type", max_length=50)] = None,
    error: QueryText = None,
    error_code: QueryText = None,
) -> Response:
    """Finish the sign-in with a code, ask for a button press for a link's token, or show the error."""
    require_supabase_sign_in(runtime)
    token = read_cookie(request, runtime, ATTEMPT_COOKIE)
    if code is not None:
        await _count_sign_in_try(runtime, token)
        outcome = await finish_sign_in_with_code(
            runtime,
            token,
            code,
            language=get_browser_language(request),
            client_address=get_client_address(request),
        )
        return await render_outcome(request, runtime, outcome)
    if token_hash is not None and kind in LINK_KINDS:
        attempt = await find_open_attempt(runtime, token)
        return render_page(
            request,
            "sign_in_press.html",
            token_hash=token_hash,
            kind=kind,
            began_here=attempt is not None,
            next_path=attempt and attempt.next_path,
        )
    if error is None and error_code is None and token_hash is None:
        return redirect_to(request, "/sign-in")
    return render_sign_in_failure(request, get_failure_status(error, error_code, is_link=token_hash is not None))


@router.post(CALLBACK_PATH)
async def submit_callback(request: Request, runtime: RuntimeDependency, form: PostedForm) -> Response:
    """Finish the sign-in with a link's token. The button press shows that no mail scanner opened the link."""
    require_supabase_sign_in(runtime)
    kind = next((candidate for candidate in LINK_KINDS if candidate == form.get_text("type")), None)
    if kind is None or not form.get_text("token_hash"):
        return render_sign_in_failure(request, "invalid_link")
    token = read_cookie(request, runtime, ATTEMPT_COOKIE)
    await _count_sign_in_try(runtime, token)
    outcome = await finish_sign_in_with_link(
        runtime,
        token,
        (form.get_text("token_hash"), kind),
        language=get_browser_language(request),
        client_address=get_client_address(request),
    )
    return await render_outcome(request, runtime, outcome)


async def _count_sign_in_try(runtime: Runtime, attempt_token: str | None) -> None:
    if attempt_token is not None:
        async with runtime.pool.connection() as connection:
            await count_sign_in_try(connection, attempt_token)


def get_failure_status(error: str | None, error_code: str | None, *, is_link: bool) -> str:
    """Status for the error in the callback URL. Its texts aren't shown, because anybody can write such a URL."""
    if is_link:
        return "invalid_link"
    return STATUS_BY_ERROR_CODE.get(error_code or "", "cancelled" if error == "access_denied" else "failed")
