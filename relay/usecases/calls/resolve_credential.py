"""Parse a request's Authorization header into a credential; authorize.py checks it against the database."""

from typing import Annotated, override

from fastapi import Request, Security
from fastapi.security import HTTPBearer

from relay.identity.credentials import Credential, parse_bearer_credential, parse_bearer_jwt
from relay.kit.problems import Problem
from relay.usecases.calls.runtime import Runtime, get_process_runtime


class BearerCredential(HTTPBearer):
    """The credential of a request. Its base class documents it in the OpenAPI document and isn't called.

    It takes the runtime from the request, because each further dependency costs CPU time on every request.
    """

    @override
    async def __call__(self, request: Request) -> Credential | None:  # type: ignore[override] # as FastAPI allows
        """Return the credential; None without one, and for a JWT that Supabase did not sign.

        Raises Problem 503 when Supabase's keys are needed but cannot be fetched.
        """
        header = request.headers.get("authorization")
        credential = parse_bearer_credential(header)
        verify_supabase_token = get_process_runtime(request).verify_supabase_token
        if credential is not None or verify_supabase_token is None:
            return credential
        token = parse_bearer_jwt(header)
        supabase_id = None if token is None else await verify_supabase_token(token)
        return None if supabase_id is None else Credential(kind="person", lookup=supabase_id)


resolve_credential = BearerCredential(
    auto_error=False,
    scheme_name="Bearer",
    description="An API key, an access token of a Home Assistant, or (in the cloud) a Supabase JWT.",
)

type CredentialDependency = Annotated[Credential | None, Security(resolve_credential)]


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
