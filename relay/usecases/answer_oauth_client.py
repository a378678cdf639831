"""What an OAuth client asks by itself, without a browser: what there is, tokens for a code, fresh ones, the end."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, NotRequired, TypedDict
from urllib.parse import parse_qsl

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from psycopg_pool import PoolTimeout

from relay.identity.credentials import SCOPES
from relay.identity.oauth import ACCESS_LIVES, CLIENT_ID, ErrorCode, OAuthError
from relay.identity.oauth_repository import Pair
from relay.kit.problems import Problem
from relay.usecases.issue_tokens import exchange_code, refresh, revoke
from relay.usecases.runtime import Runtime, RuntimeDependency

log = logging.getLogger(__name__)

MOST_FIELDS = 20
FORM = "application/x-www-form-urlencoded"
# RFC 6749, 5.1: what holds a token is kept by nobody on the way.
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
DATABASE_RETRY_AFTER = {"Retry-After": "5"}

router = APIRouter(tags=["OAuth"])

type Fields = dict[str, str]


class TokenRecord(TypedDict):
    """RFC 6749, 5.1. `expires_in` is seconds."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str
    scope: str


class ErrorRecord(TypedDict):
    """RFC 6749, 5.2."""

    error: ErrorCode
    error_description: NotRequired[str]


def _form(*required: str, **fields: str) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": meaning} for name, meaning in fields.items()}
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"requestBody": {"required": True, "content": {FORM: {"schema": schema}}}}


_TOKEN_FORM = _form(
    "grant_type",
    "client_id",
    grant_type="`authorization_code` or `refresh_token`.",
    client_id=f"`{CLIENT_ID}`.",
    code="The code that the browser brought.",
    code_verifier="What the code's `code_challenge` is the SHA-256 of.",
    redirect_uri="Where the browser brought the code, as it was asked for.",
    refresh_token="The newest refresh token.",  # noqa: S106 - a description
    scope="On a refresh: the scopes as they are, or nothing.",
)
_REVOKE_FORM = _form("token", token="A refresh token, or an access token.", client_id=f"`{CLIENT_ID}`.")  # noqa: S106 - as above
_ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": ErrorRecord} for status in (400, 401, 429, 503)}


@router.get("/.well-known/oauth-authorization-server")
async def get_metadata(runtime: RuntimeDependency) -> dict[str, str | bool | list[str]]:
    """What this authorization server is and does (RFC 8414)."""
    here = runtime.public_url
    return {
        "issuer": here,
        "authorization_endpoint": f"{here}/oauth/authorize",
        "token_endpoint": f"{here}/oauth/token",
        "revocation_endpoint": f"{here}/oauth/revoke",
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }


@router.post(
    "/oauth/token",
    response_model=None,
    openapi_extra=_TOKEN_FORM,
    responses={200: {"model": TokenRecord}, **_ERRORS},
)
async def post_token(request: Request, runtime: RuntimeDependency) -> Response:
    """Tokens for a code (with PKCE), or for a refresh token. 4xx other than 429 on a refresh: access is gone."""

    async def answer(fields: Fields) -> Response:
        pair = await _pair(runtime, fields)
        record: TokenRecord = {
            "access_token": pair.access_token,
            "token_type": "Bearer",
            "expires_in": int(ACCESS_LIVES.total_seconds()),
            "refresh_token": pair.refresh_token,
            "scope": " ".join(pair.scopes),
        }
        return JSONResponse(record, headers=NO_STORE)

    return await _answered(request, runtime, answer)


@router.post(
    "/oauth/revoke", response_model=None, response_class=Response, openapi_extra=_REVOKE_FORM, responses=_ERRORS
)
async def post_revoke(request: Request, runtime: RuntimeDependency) -> Response:
    """End the installation that holds this token (RFC 7009). A token that means nothing is none: 200 as well."""

    async def answer(fields: Fields) -> Response:
        await revoke(runtime, client_id=fields.get("client_id"), token=_required(fields, "token"))
        return Response(headers=NO_STORE)

    return await _answered(request, runtime, answer)


async def _pair(runtime: Runtime, fields: Fields) -> Pair:
    grant_type = _required(fields, "grant_type")
    if grant_type not in {"authorization_code", "refresh_token"}:
        raise OAuthError("unsupported_grant_type", "Bring a code or a refresh token.")
    client_id = _required(fields, "client_id")
    if client_id != CLIENT_ID:
        raise OAuthError("invalid_client", f"The client is `{CLIENT_ID}`.")
    if grant_type == "refresh_token":
        token = _required(fields, "refresh_token")
        return await refresh(runtime, client_id=client_id, token=token, scope=fields.get("scope"))
    return await exchange_code(
        runtime,
        client_id=client_id,
        code=_required(fields, "code"),
        verifier=_required(fields, "code_verifier"),
        redirect_uri=fields.get("redirect_uri"),
    )


async def _answered(request: Request, runtime: Runtime, answer: Callable[[Fields], Awaitable[Response]]) -> Response:
    """What `answer` makes of the posted form, with everything that can go wrong in OAuth's words."""
    try:
        return await answer(await _fields(request))
    except OAuthError as error:
        return _refused(request, runtime, error)
    except Problem as problem:
        return _error(problem.status, "temporarily_unavailable", problem.detail, problem.headers)
    except psycopg.OperationalError, PoolTimeout:
        # Nothing is lost, and a client that is told 4xx here would ask its owner to sign in again.
        log.warning("no tokens while the database does not answer")
        return _error(503, "temporarily_unavailable", "The database does not answer.", DATABASE_RETRY_AFTER)


def _refused(request: Request, runtime: Runtime, error: OAuthError) -> Response:
    try:
        # Only failures are counted: many Home Assistants may share an address.
        runtime.bursts.take(("oauth", request.client.host if request.client else None))
    except Problem as problem:
        return _error(problem.status, "temporarily_unavailable", problem.detail, problem.headers)
    return _error(401 if error.error == "invalid_client" else 400, error.error, error.description, {})


def _error(status: int, error: ErrorCode, description: str, headers: dict[str, str]) -> Response:
    record: ErrorRecord = {"error": error, "error_description": description}
    return JSONResponse(record, status, headers=NO_STORE | headers)


async def _fields(request: Request) -> Fields:
    """The posted form. Raises OAuthError invalid_request for anything else, and for secrets in the address."""
    if request.url.query:
        raise OAuthError("invalid_request", "Send everything in the body: addresses are written down on the way.")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise OAuthError("invalid_request", f"Send this as {FORM}.")
    try:
        text = (await request.body()).decode()
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise OAuthError("invalid_request", "The form cannot be read.") from None
    # RFC 6749, 3.2: what is empty is as if it were not there, and nothing is there twice.
    fields = {name: value for name, value in pairs if value}
    if len(fields) < sum(1 for _, value in pairs if value):
        raise OAuthError("invalid_request", "A parameter stands there twice.")
    return fields


def _required(fields: Fields, name: str) -> str:
    if name not in fields:
        raise OAuthError("invalid_request", f"`{name}` is missing.")
    return fields[name]
