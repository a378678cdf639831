"""Route of the token endpoint."""

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode.access_tokens import LIFETIME_SECONDS
from demo.enode.api.request_helpers import get_engine


async def issue_token(request: Request) -> Response:
    """Issue a token to a client that authenticates by HTTP Basic."""
    tokens = get_engine(request).tokens
    if not tokens.has_client_credentials(request.headers.get("authorization", "")):
        body = {"error": "invalid_client", "error_description": "Client authentication failed."}
        return JSONResponse(body, 401, {"www-authenticate": "Basic"})
    form = parse_qs((await request.body()).decode(errors="replace"))
    if form.get("grant_type") != ["client_credentials"]:
        body = {"error": "unsupported_grant_type", "error_description": "grant_type must be client_credentials."}
        return JSONResponse(body, 400)
    # SIM: empty scope and lower-case type as others have observed
    token = {
        "access_token": tokens.issue(),
        "expires_in": LIFETIME_SECONDS,
        "scope": "",
        "token_type": "bearer",
    }
    return JSONResponse(token, headers={"cache-control": "no-store"})


ROUTES = [Route("/oauth2/token", issue_token, methods=["POST"])]
