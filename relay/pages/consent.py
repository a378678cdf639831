"""The OAuth consent page, on which a user allows a Home Assistant to use the account."""

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

# The redirect URL holds the code: no cache may keep it and no Referer header may reveal it.
_REDIRECT_HEADERS: Mapping[str, str] = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

router = APIRouter(include_in_schema=False)


@router.get("/oauth/authorize")
async def show_consent(request: Request, runtime: RuntimeDependency, unchecked_visitor: UncheckedVisitor) -> Response:
    """Show which client requests which permissions. Never redirects to a `redirect_uri` that isn't allowed."""
    try:
        authorization_request = parse_authorization_request(
            request.query_params.multi_items(), allow_local=runtime.allows_local_redirects
        )
    except UnsafeRedirectError as error:
        return render_page(request, "consent_refused.html", status=400, reason=str(error), is_dialog=True)
    except RedirectableOAuthError as error:
        # Only after sign-in, so that /oauth/authorize isn't an open redirect for visitors.
        await require_signed_in(request, runtime, unchecked_visitor)
        return _redirect_to_client(build_error_redirect(runtime, error))
    visitor = await require_signed_in(request, runtime, unchecked_visitor)
    return _render_consent(request, runtime, visitor, authorization_request)


@router.post("/oauth/authorize")
async def submit_consent(
    request: Request, runtime: RuntimeDependency, form: PostedForm, visitor: SignedInVisitor
) -> Response:
    """Redirect to the client with a code or a denial."""
    authorization_request = verify_signed_request(form.get_text("request"), visitor.user_id, runtime.secret_key)
    if authorization_request is None:
        return render_page(request, "consent_refused.html", status=400, reason="stale", is_dialog=True)
    if form.get_text("decision") == "approve":
        return _redirect_to_client(await approve_request(runtime, visitor.user_id, authorization_request))
    return _redirect_to_client(deny_request(runtime, authorization_request))


def _render_consent(
    request: Request, runtime: Runtime, visitor: SignedInUser, authorization_request: AuthorizationRequest
) -> Response:
    response = render_page(
        request,
        "consent.html",
        is_dialog=True,  # without the menu: the user has one question to answer
        authorization_request=authorization_request,
        host=get_redirect_host(authorization_request.redirect_uri),
        signed_request=sign_request(authorization_request, visitor.user_id, runtime.secret_key),
        # `form-action` also applies to the redirect after the form is posted.
        form_targets=f"'self' {get_redirect_origin(authorization_request.redirect_uri)}",
    )
    # Not framed even through ingress: the user must see the address bar before allowing access.
    response.headers["X-Frame-Options"] = "DENY"
    policy = response.headers["Content-Security-Policy"]
    response.headers["Content-Security-Policy"] = policy.replace("frame-ancestors 'self'", "frame-ancestors 'none'")
    return response


def _redirect_to_client(url: str) -> RedirectResponse:
    return RedirectResponse(url, 303, headers=_REDIRECT_HEADERS)
