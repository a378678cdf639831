"""The owner of an account is asked whether a Home Assistant may use it, and the answer goes back to who asked."""

from uuid import UUID

from relay.identity.oauth import build_redirect_url
from relay.identity.oauth_repository import create_code
from relay.identity.oauth_requests import AuthorizationRequest, RedirectableOAuthError
from relay.usecases.calls.runtime import Runtime


async def approve_request(runtime: Runtime, user_id: UUID, request: AuthorizationRequest) -> str:
    """Where to send the browser of who approved: to the Home Assistant that asked, with a code for it."""
    async with runtime.pool.connection() as connection:
        code = await create_code(connection, user_id, request)
    return build_redirect_url(request.redirect_uri, issuer=runtime.public_url, state=request.state, code=code)


def deny_request(runtime: Runtime, request: AuthorizationRequest) -> str:
    """Where to send the browser of who said no."""
    return build_redirect_url(
        request.redirect_uri, issuer=runtime.public_url, state=request.state, error="access_denied"
    )


def build_error_redirect(runtime: Runtime, refused: RedirectableOAuthError) -> str:
    """Where to send a browser that came with a request which nobody can approve."""
    return build_redirect_url(
        refused.redirect_uri,
        issuer=runtime.public_url,
        state=refused.state,
        error=refused.error,
        error_description=refused.description,
    )
