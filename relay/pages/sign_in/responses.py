"""Responses and cookies that the sign-in pages share."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import Response
from starlette.background import BackgroundTask

from relay.gateways.enode.languages import DEFAULT_LANGUAGE, match_language
from relay.identity import sign_in_attempts, web_sessions
from relay.identity.browser_names import get_browser_name
from relay.identity.web_sessions import set_browser_name
from relay.pages.cookies import SESSION_COOKIE, read_cookie, set_cookie
from relay.pages.rendering import redirect_to, render_page
from relay.pages.translations import parse_accept_language
from relay.usecases.access.begin_sign_in import SignInRequest, begin_sign_in, reserve_email, send_sign_in_link
from relay.usecases.access.sign_in_outcome import SignInOutcome
from relay.usecases.calls.runtime import Runtime, SupabaseSignIn

ATTEMPT_COOKIE = "evconduit_attempt"
"""Token of the sign-in attempt that this browser began."""

HTTP_STATUSES: Mapping[str, HTTPStatus] = {
    "registration_closed": HTTPStatus.FORBIDDEN,
    "being_deleted": HTTPStatus.FORBIDDEN,
    "invalid_link": HTTPStatus.GONE,
    "other_browser": HTTPStatus.BAD_REQUEST,
    "banned": HTTPStatus.FORBIDDEN,
    "unverified_email": HTTPStatus.FORBIDDEN,
    "unanswered": HTTPStatus.GONE,
    "misconfigured": HTTPStatus.BAD_GATEWAY,
    "account_on_hold": HTTPStatus.FORBIDDEN,
    "cancelled": HTTPStatus.OK,
    "confirmed": HTTPStatus.OK,
    "failed": HTTPStatus.BAD_GATEWAY,
}

PROVIDER_ORIGINS = {"github": "https://github.com", "google": "https://accounts.google.com"}


def render_sign_in_options(
    request: Request, sign_in: SupabaseSignIn, *, next_path: str, email: str = "", error: str | None = None
) -> Response:
    """Page with all ways to sign in. `error` is the key of a text about the email field."""
    # `form-action` also applies to the redirects after a form is posted: to Supabase, to the provider, and back.
    provider_origins = [PROVIDER_ORIGINS[provider] for provider in sign_in.providers]
    form_targets = " ".join(["'self'", sign_in.supabase.origin, *provider_origins])
    return render_page(
        request,
        "sign_in_people.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
        providers=sign_in.providers,
        registration=sign_in.registration,
        next_path=next_path,
        email=email,
        error=error,
        form_targets=form_targets if sign_in.providers else "'self'",
    )


async def start_email_sign_in(
    request: Request, runtime: Runtime, sign_in_request: SignInRequest, email: str
) -> Response:
    """Begin a sign-in by email. The response and its timing are the same for every address."""
    token = await begin_sign_in(
        runtime, sign_in_request, email, previous_token=read_cookie(request, runtime, ATTEMPT_COOKIE)
    )
    reservation = await reserve_email(runtime, token)
    response = render_page(
        request,
        "sign_in_sent.html",
        email=email,
        next_path=sign_in_request.next_path,
        is_quota_exhausted=reservation.is_quota_exhausted,
    )
    if reservation.is_granted:
        response.background = BackgroundTask(
            send_sign_in_link,
            runtime,
            token,
            email,
            invited=sign_in_request.invitation_id is not None,
            client_address=sign_in_request.client_address,
        )
    set_attempt_cookie(request, response, runtime, token)
    return response


async def render_outcome(request: Request, runtime: Runtime, outcome: SignInOutcome) -> Response:
    """Response for a finished sign-in: on to the next page, to the registration form, or the reason it failed."""
    if outcome.status == "registration_required":
        response: Response = redirect_to(request, "/register")
        if outcome.attempt is not None:
            set_attempt_cookie(request, response, runtime, outcome.attempt)
        return response
    if outcome.session is None:
        return render_sign_in_failure(request, outcome.status)
    response = redirect_to(request, outcome.next_path)
    await store_session(request, response, runtime, outcome.session)
    set_cookie(request, response, runtime, ATTEMPT_COOKIE, "", max_age=0)
    return response


def render_sign_in_failure(request: Request, sign_in_status: str) -> Response:
    """Page that says why the sign-in failed and what to do. `sign_in_status` is a key of HTTP_STATUSES."""
    return render_page(
        request, "sign_in_ended.html", status=HTTP_STATUSES[sign_in_status], sign_in_status=sign_in_status
    )


async def store_session(request: Request, response: Response, runtime: Runtime, session: str) -> None:
    """Store the token of a new web session in the browser, and the browser's name in the list of sessions."""
    browser = get_browser_name(request.headers.get("user-agent", ""))
    async with runtime.pool.connection() as connection:
        await set_browser_name(connection, session, browser)
    set_cookie(request, response, runtime, SESSION_COOKIE, session, max_age=int(web_sessions.LIFETIME.total_seconds()))


def set_attempt_cookie(request: Request, response: Response, runtime: Runtime, attempt_token: str) -> None:
    """Store the token of the sign-in attempt in the browser."""
    set_cookie(
        request,
        response,
        runtime,
        ATTEMPT_COOKIE,
        attempt_token,
        max_age=int(sign_in_attempts.LIFETIME.total_seconds()),
    )


def get_client_address(request: Request) -> str:
    """IP address of the client; empty if unknown. Behind a proxy, uvicorn has resolved it from the headers."""
    return request.client.host if request.client else ""


def get_browser_language(request: Request) -> str:
    """The browser's preferred language among Enode's."""
    tags = parse_accept_language(request.headers.get("accept-language"))
    return next((match_language(tag) for tag in tags), DEFAULT_LANGUAGE)
