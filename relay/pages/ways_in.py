"""What the pages of signing in share, where people sign in with Supabase."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import Response
from starlette.background import BackgroundTask

from relay.gateways.enode.languages import DEFAULT, nearest
from relay.identity.attempts import LIVES as ATTEMPT_LIVES
from relay.identity.sessions import LIVES
from relay.pages.catalogue import accepted
from relay.pages.csrf import SESSION, put_cookie, read_cookie
from relay.pages.rendering import go, page
from relay.usecases.runtime import People, Runtime
from relay.usecases.sign_in_with_supabase import Outcome, Wish, begin, send_link

ATTEMPT = "evconduit_attempt"
"""The cookie of a browser that has begun to sign in."""

STATUS: Mapping[str, HTTPStatus] = {
    "closed": HTTPStatus.FORBIDDEN,
    "leaving": HTTPStatus.FORBIDDEN,
    "dead": HTTPStatus.GONE,
    "elsewhere": HTTPStatus.BAD_REQUEST,
    "locked": HTTPStatus.FORBIDDEN,
    "unconfirmed": HTTPStatus.FORBIDDEN,
    "cancelled": HTTPStatus.OK,
    "failed": HTTPStatus.BAD_GATEWAY,
}


def show_ways(
    request: Request, people: People, *, next_path: str, email: str = "", error: str | None = None
) -> Response:
    """The page with all ways to sign in."""
    # A browser holds redirects after a form to the same rule as the form: to Supabase, on to the provider, and back.
    targets = " ".join(["'self'", people.supabase.origin, *(WHERE[it] for it in people.providers)])
    return page(
        request,
        "sign_in_people.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
        providers=people.providers,
        registration=people.registration,
        next_path=next_path,
        email=email,
        error=error,
        form_targets=targets if people.providers else "'self'",
    )


WHERE = {"github": "https://github.com", "google": "https://accounts.google.com"}


async def mail_link(request: Request, runtime: Runtime, wish: Wish, email: str) -> Response:
    """Begin a sign-in by mail. The answer is the same, and as fast, for every address."""
    token = await begin(runtime, wish, email, before=read_cookie(request, runtime, ATTEMPT))
    answer = page(request, "sign_in_sent.html", email=email)
    answer.background = BackgroundTask(send_link, runtime, token, email, invited=wish.invitation_id is not None)
    keep_attempt(answer, runtime, token)
    return answer


def show_outcome(request: Request, runtime: Runtime, outcome: Outcome) -> Response:
    """What the browser gets to see, and to keep, at the end of a sign-in."""
    if outcome.ending == "register":
        answer: Response = go(request, "/register")
        if outcome.attempt is not None:
            keep_attempt(answer, runtime, outcome.attempt)
        return answer
    if outcome.session is None:
        return show_ending(request, outcome.ending)
    answer = go(request, outcome.next_path)
    remember(answer, runtime, outcome.session)
    put_cookie(answer, runtime, ATTEMPT, "", seconds=0)
    return answer


def show_ending(request: Request, ending: str) -> Response:
    """Why nobody was signed in, and what to do."""
    return page(request, "sign_in_ended.html", status=STATUS[ending], ending=ending)


def remember(answer: Response, runtime: Runtime, session: str) -> None:
    """Have the browser keep its session."""
    put_cookie(answer, runtime, SESSION, session, seconds=int(LIVES.total_seconds()))


def keep_attempt(answer: Response, runtime: Runtime, token: str) -> None:
    """Have the browser keep that it has begun to sign in."""
    put_cookie(answer, runtime, ATTEMPT, token, seconds=int(ATTEMPT_LIVES.total_seconds()))


def source_of(request: Request) -> str:
    """Where the browser is, as far as that is known; behind a proxy, uvicorn has looked at what that says."""
    return request.client.host if request.client else ""


def language_of(request: Request) -> str:
    """Which of Enode's languages this browser's person reads."""
    return next((nearest(it) for it in accepted(request.headers.get("accept-language"))), DEFAULT)
