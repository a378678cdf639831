"""A Home Assistant wants to use an account: its owner is asked, each time, on a page that nobody else can press."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from relay.identity.oauth import get_redirect_host, get_redirect_origin
from relay.identity.oauth_requests import (
    AuthorizationRequest,
    RedirectableOAuthError,
    UnsafeRedirectError,
    parse_authorization_request,
    sign_request,
    verify_signed_request,
)
from relay.identity.web_sessions import SignedInUser
from relay.pages.forms import PostedForm
from relay.pages.rendering import render_page
from relay.pages.visitors import SignedInVisitor, UncheckedVisitor, require_signed_in
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.oauth.issue_code import approve_request, build_error_redirect, deny_request

# The answer in an address is for one Home Assistant: nothing on the way keeps it, or tells the next page of it.
_REDIRECT_HEADERS: Mapping[str, str] = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

router = APIRouter(include_in_schema=False)


@router.get("/oauth/authorize")
async def show_consent(request: Request, runtime: RuntimeDependency, unchecked_visitor: UncheckedVisitor) -> Response:
    """Show who asks, and for what. Where the address for the answer is not known to be good, nobody is sent to it."""
    try:
        wanted = parse_authorization_request(
            request.query_params.multi_items(), allow_local=runtime.allows_local_redirects
        )
    except UnsafeRedirectError as error:
        return render_page(request, "consent_refused.html", status=400, about=str(error))
    except RedirectableOAuthError as refused:
        # Signed in first: no page of ours sends strangers on by itself.
        await require_signed_in(request, runtime, unchecked_visitor)
        return _redirect_to_client(build_error_redirect(runtime, refused))
    visitor = await require_signed_in(request, runtime, unchecked_visitor)
    return _render_consent(request, runtime, visitor, wanted)


@router.post("/oauth/authorize")
async def submit_consent(
    request: Request, runtime: RuntimeDependency, form: PostedForm, visitor: SignedInVisitor
) -> Response:
    """The owner has pressed one of the two buttons."""
    wanted = verify_signed_request(form.get_text("request"), visitor.user_id, runtime.secret_key)
    if wanted is None:
        return render_page(request, "consent_refused.html", status=400, about="stale")
    if form.get_text("decision") == "approve":
        return _redirect_to_client(await approve_request(runtime, visitor.user_id, wanted))
    return _redirect_to_client(deny_request(runtime, wanted))


def _render_consent(
    request: Request, runtime: Runtime, visitor: SignedInUser, authorization_request: AuthorizationRequest
) -> Response:
    shown = render_page(
        request,
        "consent.html",
        wanted=authorization_request,
        host=get_redirect_host(authorization_request.redirect_uri),
        sealed=sign_request(authorization_request, visitor.user_id, runtime.secret_key),
        # Browsers hold the redirect that answers a form to the policy of the page with the form.
        form_targets=f"'self' {get_redirect_origin(authorization_request.redirect_uri)}",
    )
    # Not even by Home Assistant's own frame: who lets somebody in must see where they are.
    shown.headers["X-Frame-Options"] = "DENY"
    policy = shown.headers["Content-Security-Policy"]
    shown.headers["Content-Security-Policy"] = policy.replace("frame-ancestors 'self'", "frame-ancestors 'none'")
    return shown


def _redirect_to_client(url: str) -> RedirectResponse:
    return RedirectResponse(url, 303, headers=_REDIRECT_HEADERS)
