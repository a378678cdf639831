"""Build the redirects that answer an OAuth authorization request: a code, a denial, or an error."""

from uuid import UUID

from relay.identity.oauth import build_redirect_url
from relay.identity.oauth_repository import create_code
from relay.identity.oauth_requests import AuthorizationRequest, RedirectableOAuthError
from relay.usecases.calls.runtime import Runtime


async def approve_request(runtime: Runtime, user_id: UUID, request: AuthorizationRequest) -> str:
    """Create a code and return the redirect URL that delivers it to the client."""
    async with runtime.pool.connection() as connection:
        code = await create_code(connection, user_id, request)
    return build_redirect_url(request.redirect_uri, issuer=runtime.public_url, state=request.state, code=code)


def deny_request(runtime: Runtime, request: AuthorizationRequest) -> str:
    """Redirect URL with the error `access_denied`, because the user denied access."""
    return build_redirect_url(
        request.redirect_uri, issuer=runtime.public_url, state=request.state, error="access_denied"
    )


def build_error_redirect(runtime: Runtime, error: RedirectableOAuthError) -> str:
    """Redirect URL with the error in the client's request."""
    return build_redirect_url(
        error.redirect_uri,
        issuer=runtime.public_url,
        state=error.state,
        error=error.error,
        error_description=error.description,
    )
