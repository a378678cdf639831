"""Who says what with a request's Authorization header, before the database is asked whether it is true."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from relay.identity.credentials import Credential, parse_bearer_credential, parse_bearer_jwt
from relay.usecases.calls.runtime import RuntimeDependency

bearer_scheme = HTTPBearer(
    auto_error=False,
    scheme_name="Bearer",
    description="An API key, an access token of a Home Assistant, or (in the cloud) a Supabase JWT.",
)


# A coroutine although it mostly waits for nothing: FastAPI hands a plain function to a thread, which costs more than
# all else of a request.
async def resolve_credential(
    request: Request,
    runtime: RuntimeDependency,
    _documented: Annotated[HTTPAuthorizationCredentials | None, Security(bearer_scheme)],
) -> Credential | None:
    """The credential that the request brings; None for none, and for a JWT that Supabase did not sign.

    Raises Problem 503 when Supabase's keys are needed and cannot be had.
    """
    header = request.headers.get("authorization")
    credential = parse_bearer_credential(header)
    if credential is not None or runtime.verify_supabase_token is None:
        return credential
    token = parse_bearer_jwt(header)
    person = None if token is None else await runtime.verify_supabase_token(token)
    return None if person is None else Credential(kind="person", lookup=person)


type CredentialDependency = Annotated[Credential | None, Depends(resolve_credential)]
