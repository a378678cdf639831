"""Signing in where there are many people: what the page /sign-in posts, and where the browser comes back to."""

from http import HTTPStatus
from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from relay.gateways.supabase import LinkKind, Provider
from relay.identity.attempts import take_try
from relay.identity.people import is_address
from relay.kit.problems import Problem
from relay.pages.csrf import read_cookie
from relay.pages.forms import PostedForm
from relay.pages.rendering import go, page, safe_headers
from relay.pages.visitors import local_path
from relay.pages.ways_in import (
    ATTEMPT,
    keep_attempt,
    language_of,
    mail_link,
    show_ending,
    show_outcome,
    show_ways,
    source_of,
)
from relay.usecases.runtime import Runtime, RuntimeDependency
from relay.usecases.sign_in_with_supabase import (
    CALLBACK,
    REFUSED,
    Wish,
    begin,
    finish_with_code,
    finish_with_link,
    has_begun,
    people_of,
    provider_url,
)

router = APIRouter(include_in_schema=False)

KINDS: tuple[LinkKind, ...] = get_args(LinkKind.__value__)

type Text = Annotated[str | None, Query(max_length=2000)]


@router.post("/sign-in")
async def ask_for_link(request: Request, runtime: RuntimeDependency, form: PostedForm) -> Response:
    """Have a link mailed."""
    people = people_of(runtime)
    email, next_path = form.text("email"), local_path(form.text("next"))
    if not is_address(email):
        return show_ways(request, people, next_path=next_path, email=email, error="sign_in.error.address")
    return await mail_link(request, runtime, Wish(source=source_of(request), next_path=next_path), email)


@router.post("/sign-in/with/{name}")
async def go_to_provider(name: str, request: Request, runtime: RuntimeDependency, form: PostedForm) -> Response:
    """Off to GitHub or Google, by way of Supabase."""
    provider: Provider | None = next((it for it in people_of(runtime).providers if it == name), None)
    if provider is None:
        raise Problem(404, "not-found", "There is no such way to sign in here.")
    wish = Wish(source=source_of(request), next_path=local_path(form.text("next")))
    token = await begin(runtime, wish)
    to = await provider_url(runtime, token, provider)
    answer = RedirectResponse(to, HTTPStatus.SEE_OTHER, headers=safe_headers(request))
    keep_attempt(answer, runtime, token)
    return answer


@router.get(CALLBACK)
async def come_back(  # noqa: PLR0913 - what Supabase may put into the address
    request: Request,
    runtime: RuntimeDependency,
    *,
    code: Text = None,
    token_hash: Text = None,
    kind: Annotated[str | None, Query(alias="type", max_length=50)] = None,
    error: Text = None,
    error_code: Text = None,
) -> Response:
    """The browser comes back from a mail or from a provider."""
    people_of(runtime)
    token = read_cookie(request, runtime, ATTEMPT)
    if code is not None:
        await _take_try(runtime, token)
        outcome = await finish_with_code(runtime, token, code, language=language_of(request))
        return show_outcome(request, runtime, outcome)
    if token_hash is not None and kind in KINDS:
        ours = await has_begun(runtime, token)
        return page(request, "sign_in_press.html", token_hash=token_hash, kind=kind, ours=ours)
    if error is None and error_code is None and token_hash is None:
        return go(request, "/sign-in")
    return show_ending(request, _ending(error, error_code, is_link=token_hash is not None))


@router.post(CALLBACK)
async def press(request: Request, runtime: RuntimeDependency, form: PostedForm) -> Response:
    """The button under a link's token was pressed: a person is here, and no program that looks into mails."""
    people_of(runtime)
    kind = next((it for it in KINDS if it == form.text("type")), None)
    if kind is None or not form.text("token_hash"):
        return show_ending(request, "dead")
    token = read_cookie(request, runtime, ATTEMPT)
    await _take_try(runtime, token)
    outcome = await finish_with_link(
        runtime,
        token,
        (form.text("token_hash"), kind),
        language=language_of(request),
        source=source_of(request),
    )
    return show_outcome(request, runtime, outcome)


async def _take_try(runtime: Runtime, token: str | None) -> None:
    if token is not None:
        async with runtime.pool.connection() as connection:
            await take_try(connection, token)


def _ending(error: str | None, error_code: str | None, *, is_link: bool) -> str:
    """In our own words: what an address says can be anybody's."""
    if is_link:
        return "dead"
    return REFUSED.get(error_code or "", "cancelled" if error == "access_denied" else "failed")
