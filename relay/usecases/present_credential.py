"""Who says what with a request's Authorization header, before the database is asked whether it is true."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from relay.identity.credentials import Credential, read_bearer, read_jwt
from relay.usecases.runtime import RuntimeDependency

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="Bearer",
    description="An API key, an access token of a Home Assistant, or (in the cloud) a Supabase JWT.",
)


# A coroutine although it mostly waits for nothing: FastAPI hands a plain function to a thread, which costs more than
# all else of a request.
async def present_credential(
    request: Request,
    runtime: RuntimeDependency,
    _documented: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
) -> Credential | None:
    """The credential that the request brings; None for none, and for a JWT that Supabase did not sign.

    Raises Problem 503 when Supabase's keys are needed and cannot be had.
    """
    header = request.headers.get("authorization")
    credential = read_bearer(header)
    if credential is not None or runtime.verify_person is None:
        return credential
    token = read_jwt(header)
    person = None if token is None else await runtime.verify_person(token)
    return None if person is None else Credential(kind="person", lookup=person)


type Authorization = Annotated[Credential | None, Depends(present_credential)]
