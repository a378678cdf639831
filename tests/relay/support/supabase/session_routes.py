"""Routes of the double for sessions: exchange a code for one, and end it."""

import jwt
from starlette.responses import JSONResponse, Response

from tests.relay.support.supabase.gateway import ANON, SECRET, parse_body, require_key
from tests.relay.support.supabase.refusals import Refusal, ServerFailure

_SCOPES = frozenset({"global", "local", "others"})


async def exchange_code(project, request):
    require_key(request, ANON, SECRET)
    assert "authorization" not in request.headers, "keys that aren't JWTs must not be sent as bearer tokens"
    if request.query_params.get("grant_type") != "pkce":
        raise Refusal(400, "invalid_credentials", "unsupported_grant_type")
    parameters = await parse_body(request)
    code, verifier = parameters.get("auth_code"), parameters.get("code_verifier")
    if not code or not verifier:
        message = "invalid request: both auth code and code verifier should be non-empty"
        raise Refusal(400, "validation_failed", message)
    if "\0" in code:
        raise ServerFailure("Internal Server Error")
    flow = project.exchanges.find_used(code, request) or project.flows.find_by_code(code)
    if flow is None:
        raise Refusal(404, "flow_state_not_found", "invalid flow state, no valid flow state found")
    if flow.is_expired(project.now()):
        raise Refusal(422, "flow_state_expired", "invalid flow state, flow state has expired")
    if not flow.is_verifier_valid(verifier):
        raise Refusal(400, "bad_code_verifier", "code challenge does not match previously saved code verifier")
    if not project.has_account(flow.account.id):
        raise ServerFailure
    project.flows.remove(flow)
    project.exchanges.record(code, flow)
    method = flow.method.replace("signup", "email/signup")
    return JSONResponse(project.create_session(flow.account, method, provider_token=method == "oauth"))


async def end_session(project, request):
    require_key(request, ANON, SECRET)
    scope = request.query_params.get("scope", "global")
    own_id = _require_session(project, request.headers.get("authorization"))
    if scope not in _SCOPES:
        raise Refusal(400, "validation_failed", f'Unsupported logout scope "{scope}"')
    account_id = project.sessions[own_id]
    ended_ids = {
        session_id
        for session_id, owner_id in project.sessions.items()
        if owner_id == account_id and (scope != "others" or session_id != own_id)
    }
    for session_id in {own_id} if scope == "local" else ended_ids:
        del project.sessions[session_id]
    return Response(status_code=204)


def _require_session(project, authorization):
    if authorization is None:  # the gateway then sends the API key as a token
        raise Refusal(403, "bad_jwt", "invalid claim: missing sub claim")
    if not authorization.startswith("Bearer "):
        raise Refusal(401, "no_authorization", "This endpoint requires a valid Bearer token")
    token = authorization.removeprefix("Bearer ")
    message = "invalid JWT: unable to parse or verify signature"
    if token.count(".") != 2:
        message += ", token is malformed: token contains an invalid number of segments"
    try:
        claims = project.decode_token(token)
    except jwt.PyJWTError:
        raise Refusal(403, "bad_jwt", message) from None
    account = project.find_account(claims["sub"])
    if account is None:
        raise Refusal(403, "user_not_found", "User from sub claim in JWT does not exist")
    if account.is_banned:
        raise Refusal(403, "user_banned", "User is banned")
    if claims["session_id"] not in project.sessions:
        raise Refusal(403, "session_not_found", "Session from session_id claim in JWT does not exist")
    return claims["session_id"]
