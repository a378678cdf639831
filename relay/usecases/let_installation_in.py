"""The owner of an account is asked whether a Home Assistant may use it, and the answer goes back to who asked."""

from uuid import UUID

from relay.identity.oauth import answer_address
from relay.identity.oauth_repository import add_code
from relay.identity.oauth_requests import AuthorizationRequest, RefusedError
from relay.usecases.runtime import Runtime


async def approve(runtime: Runtime, user_id: UUID, request: AuthorizationRequest) -> str:
    """Where to send the browser of who approved: to the Home Assistant that asked, with a code for it."""
    async with runtime.pool.connection() as connection:
        code = await add_code(connection, user_id, request)
    return answer_address(request.redirect_uri, issuer=runtime.public_url, state=request.state, code=code)


def deny(runtime: Runtime, request: AuthorizationRequest) -> str:
    """Where to send the browser of who said no."""
    return answer_address(request.redirect_uri, issuer=runtime.public_url, state=request.state, error="access_denied")


def refuse(runtime: Runtime, refused: RefusedError) -> str:
    """Where to send a browser that came with a request which nobody can approve."""
    return answer_address(
        refused.redirect_uri,
        issuer=runtime.public_url,
        state=refused.state,
        error=refused.error,
        error_description=refused.description,
    )
