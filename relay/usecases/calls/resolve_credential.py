"""Parse a request's Authorization header into a credential; authorize.py checks it against the database."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from relay.identity.credentials import Credential, parse_bearer_credential, parse_bearer_jwt
from relay.kit.problems import Problem
from relay.usecases.calls.runtime import Runtime, RuntimeDependency

bearer_scheme = HTTPBearer(
    auto_error=False,
    scheme_name="Bearer",
    description="An API key, an access token of a Home Assistant, or (in the cloud) a Supabase JWT.",
)


# A coroutine although it rarely awaits: FastAPI runs a plain function in a thread, which would cost more than the rest
# of a request.
async def resolve_credential(
    request: Request,
    runtime: RuntimeDependency,
    _documented: Annotated[HTTPAuthorizationCredentials | None, Security(bearer_scheme)],
) -> Credential | None:
    """Return the request's credential; None without one, and for a JWT that Supabase did not sign.

    Raises Problem 503 when Supabase's keys are needed but cannot be fetched.
    """
    header = request.headers.get("authorization")
    credential = parse_bearer_credential(header)
    if credential is not None or runtime.verify_supabase_token is None:
        return credential
    token = parse_bearer_jwt(header)
    supabase_id = None if token is None else await runtime.verify_supabase_token(token)
    return None if supabase_id is None else Credential(kind="person", lookup=supabase_id)


type CredentialDependency = Annotated[Credential | None, Depends(resolve_credential)]


async def require_recent_sign_in(runtime: Runtime, request: Request) -> None:
    """Raise Problem 403 if the user of the request's JWT signed in too long ago for a sensitive action.

    Call it after authenticating a signed-in user.
    """
    is_recent = runtime.is_recent_supabase_sign_in
    token = parse_bearer_jwt(request.headers.get("authorization"))
    if is_recent is not None and not (token is not None and await is_recent(token)):
        raise Problem(
            403,
            "recent-sign-in-required",
            "Your sign-in is too old for this action. Sign in again, then repeat the request.",
        )
