"""A Home Assistant wants to use an account: its owner is asked, each time, on a page that nobody else can press."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from relay.identity.oauth import redirect_host, redirect_origin
from relay.identity.oauth_requests import (
    AuthorizationRequest,
    NoClientError,
    RefusedError,
    read_request,
    seal,
    unseal,
)
from relay.identity.sessions import SessionHolder
from relay.pages.forms import PostedForm
from relay.pages.rendering import page
from relay.pages.visitors import Holder, SignedIn, signed_in
from relay.usecases.let_installation_in import approve, deny, refuse
from relay.usecases.runtime import Runtime, RuntimeDependency

# The answer in an address is for one Home Assistant: nothing on the way keeps it, or tells the next page of it.
_LEAVING: Mapping[str, str] = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

router = APIRouter(include_in_schema=False)


@router.get("/oauth/authorize")
async def ask(request: Request, runtime: RuntimeDependency, holder: Holder) -> Response:
    """Show who asks, and for what. Where the address for the answer is not known to be good, nobody is sent to it."""
    try:
        wanted = read_request(request.query_params.multi_items(), local=runtime.local_redirects)
    except NoClientError as error:
        return page(request, "consent_refused.html", status=400, about=str(error))
    except RefusedError as refused:
        # Signed in first: no page of ours sends strangers on by itself.
        await signed_in(request, runtime, holder)
        return _leave(refuse(runtime, refused))
    visitor = await signed_in(request, runtime, holder)
    return _consent(request, runtime, visitor, wanted)


@router.post("/oauth/authorize")
async def answer(request: Request, runtime: RuntimeDependency, form: PostedForm, visitor: SignedIn) -> Response:
    """The owner has pressed one of the two buttons."""
    wanted = unseal(form.text("request"), visitor.user_id, runtime.key)
    if wanted is None:
        return page(request, "consent_refused.html", status=400, about="stale")
    if form.text("decision") == "approve":
        return _leave(await approve(runtime, visitor.user_id, wanted))
    return _leave(deny(runtime, wanted))


def _consent(request: Request, runtime: Runtime, visitor: SessionHolder, wanted: AuthorizationRequest) -> Response:
    shown = page(
        request,
        "consent.html",
        wanted=wanted,
        host=redirect_host(wanted.redirect_uri),
        sealed=seal(wanted, visitor.user_id, runtime.key),
        # Browsers hold the redirect that answers a form to the policy of the page with the form.
        form_targets=f"'self' {redirect_origin(wanted.redirect_uri)}",
    )
    # Not even by Home Assistant's own frame: who lets somebody in must see where they are.
    shown.headers["X-Frame-Options"] = "DENY"
    policy = shown.headers["Content-Security-Policy"]
    shown.headers["Content-Security-Policy"] = policy.replace("frame-ancestors 'self'", "frame-ancestors 'none'")
    return shown


def _leave(address: str) -> RedirectResponse:
    return RedirectResponse(address, 303, headers=_LEAVING)
