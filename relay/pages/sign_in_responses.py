"""What the pages of signing in share, where people sign in with Supabase."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import Response
from starlette.background import BackgroundTask

from relay.gateways.enode.languages import DEFAULT_LANGUAGE, match_language
from relay.identity.sign_in_attempts import LIFETIME as ATTEMPT_LIVES
from relay.identity.web_sessions import LIFETIME
from relay.pages.csrf import SESSION_COOKIE, read_cookie, set_cookie
from relay.pages.rendering import redirect_to, render_page
from relay.pages.translations import parse_accept_language
from relay.usecases.access.sign_in_with_supabase import SignInOutcome, SignInRequest, begin_sign_in, send_sign_in_link
from relay.usecases.calls.runtime import Runtime, SupabaseSignIn

ATTEMPT_COOKIE = "evconduit_attempt"
"""The cookie of a browser that has begun to sign in."""

HTTP_STATUSES: Mapping[str, HTTPStatus] = {
    "closed": HTTPStatus.FORBIDDEN,
    "leaving": HTTPStatus.FORBIDDEN,
    "dead": HTTPStatus.GONE,
    "elsewhere": HTTPStatus.BAD_REQUEST,
    "locked": HTTPStatus.FORBIDDEN,
    "unconfirmed": HTTPStatus.FORBIDDEN,
    "cancelled": HTTPStatus.OK,
    "failed": HTTPStatus.BAD_GATEWAY,
}


def render_sign_in_options(
    request: Request, sign_in: SupabaseSignIn, *, next_path: str, email: str = "", error: str | None = None
) -> Response:
    """The page with all ways to sign in."""
    # A browser holds redirects after a form to the same rule as the form: to Supabase, on to the provider, and back.
    targets = " ".join(["'self'", sign_in.supabase.origin, *(PROVIDER_ORIGINS[it] for it in sign_in.providers)])
    return render_page(
        request,
        "sign_in_people.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
        providers=sign_in.providers,
        registration=sign_in.registration,
        next_path=next_path,
        email=email,
        error=error,
        form_targets=targets if sign_in.providers else "'self'",
    )


PROVIDER_ORIGINS = {"github": "https://github.com", "google": "https://accounts.google.com"}


async def start_email_sign_in(
    request: Request, runtime: Runtime, sign_in_request: SignInRequest, email: str
) -> Response:
    """Begin a sign-in by mail. The answer is the same, and as fast, for every address."""
    token = await begin_sign_in(
        runtime, sign_in_request, email, previous_token=read_cookie(request, runtime, ATTEMPT_COOKIE)
    )
    answer = render_page(request, "sign_in_sent.html", email=email)
    answer.background = BackgroundTask(
        send_sign_in_link, runtime, token, email, invited=sign_in_request.invitation_id is not None
    )
    set_attempt_cookie(answer, runtime, token)
    return answer


def render_outcome(request: Request, runtime: Runtime, outcome: SignInOutcome) -> Response:
    """What the browser gets to see, and to keep, at the end of a sign-in."""
    if outcome.status == "register":
        answer: Response = redirect_to(request, "/register")
        if outcome.attempt is not None:
            set_attempt_cookie(answer, runtime, outcome.attempt)
        return answer
    if outcome.session is None:
        return render_sign_in_failure(request, outcome.status)
    answer = redirect_to(request, outcome.next_path)
    set_session_cookie(answer, runtime, outcome.session)
    set_cookie(answer, runtime, ATTEMPT_COOKIE, "", max_age=0)
    return answer


def render_sign_in_failure(request: Request, sign_in_status: str) -> Response:
    """Why nobody was signed in, and what to do."""
    return render_page(request, "sign_in_ended.html", status=HTTP_STATUSES[sign_in_status], ending=sign_in_status)


def set_session_cookie(response: Response, runtime: Runtime, session: str) -> None:
    """Have the browser keep its session."""
    set_cookie(response, runtime, SESSION_COOKIE, session, max_age=int(LIFETIME.total_seconds()))


def set_attempt_cookie(response: Response, runtime: Runtime, attempt_token: str) -> None:
    """Have the browser keep that it has begun to sign in."""
    set_cookie(response, runtime, ATTEMPT_COOKIE, attempt_token, max_age=int(ATTEMPT_LIVES.total_seconds()))


def get_client_address(request: Request) -> str:
    """Where the browser is, as far as that is known; behind a proxy, uvicorn has looked at what that says."""
    return request.client.host if request.client else ""


def get_browser_language(request: Request) -> str:
    """Which of Enode's languages this browser's person reads."""
    return next(
        (match_language(it) for it in parse_accept_language(request.headers.get("accept-language"))), DEFAULT_LANGUAGE
    )
