"""OAuth routes that clients call directly: server metadata, token and revocation endpoints."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, NotRequired, TypedDict
from urllib.parse import parse_qsl, urlsplit

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from psycopg_pool import PoolTimeout

from relay.identity.credentials import SCOPES
from relay.identity.oauth import ACCESS_TOKEN_LIFETIME, CLIENT_ID, ErrorCode, OAuthError
from relay.identity.oauth_repository import TokenPair
from relay.kit.client_network import get_request_network
from relay.kit.problems import Problem
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.oauth.issue_tokens import exchange_code, refresh_tokens, revoke_token

log = logging.getLogger(__name__)

MAX_FIELDS = 20
FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"
# RFC 6749, section 5.1: responses with tokens must not be cached.
NO_STORE_HEADERS = {"Cache-Control": "no-store", "Pragma": "no-cache"}
DATABASE_RETRY_HEADERS = {"Retry-After": "5"}

router = APIRouter()

type FormFields = dict[str, str]


class TokenRecord(TypedDict):
    """Token response of RFC 6749, section 5.1. `expires_in` is in seconds."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str
    scope: str


class ErrorRecord(TypedDict):
    """Error response of RFC 6749, section 5.2."""

    error: ErrorCode
    error_description: NotRequired[str]


def _build_form_schema(*required: str, **descriptions: str) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": text} for name, text in descriptions.items()}
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"requestBody": {"required": True, "content": {FORM_CONTENT_TYPE: {"schema": schema}}}}


_TOKEN_FORM_SCHEMA = _build_form_schema(
    "grant_type",
    "client_id",
    grant_type="`authorization_code` or `refresh_token`.",
    client_id=f"`{CLIENT_ID}`.",
    code="The authorization code that the redirect delivered.",
    code_verifier="PKCE verifier that belongs to the request's `code_challenge`.",
    redirect_uri="The `redirect_uri` of the authorization request. Optional.",
    refresh_token="The newest refresh token.",  # noqa: S106 - a description
    scope="On a refresh: the approved scopes, or absent.",
)
_REVOKE_FORM_SCHEMA = _build_form_schema(
    "token",
    token="A refresh token, or an access token.",  # noqa: S106 - a description
    client_id=f"`{CLIENT_ID}`.",
)
_ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {status: {"model": ErrorRecord} for status in (400, 401, 429, 503)}


@router.get("/.well-known/oauth-authorization-server/{path:path}", include_in_schema=False)
async def get_metadata_below_path(path: str, runtime: RuntimeDependency) -> dict[str, str | bool | list[str]]:
    """Metadata of a relay whose public address has a path, where RFC 8414, section 3.1, puts it: before that path."""
    if f"/{path}" != urlsplit(runtime.public_url).path:
        raise Problem(404, "not-found", "This relay has no such address.")
    return await get_metadata(runtime)


@router.get("/.well-known/oauth-authorization-server")
async def get_metadata(runtime: RuntimeDependency) -> dict[str, str | bool | list[str]]:
    """Metadata of this authorization server (RFC 8414)."""
    issuer = runtime.public_url
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
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
    openapi_extra=_TOKEN_FORM_SCHEMA,
    responses={200: {"model": TokenRecord}, **_ERROR_RESPONSES},
)
async def post_token(request: Request, runtime: RuntimeDependency) -> Response:
    """Exchange an authorization code (with PKCE) or a refresh token for tokens.

    A 4xx status other than 429 on a refresh means that access has ended: sign in again.
    """

    async def handle(fields: FormFields) -> Response:
        pair = await _issue_tokens(runtime, fields)
        record: TokenRecord = {
            "access_token": pair.access_token,
            "token_type": "Bearer",
            "expires_in": int(ACCESS_TOKEN_LIFETIME.total_seconds()),
            "refresh_token": pair.refresh_token,
            "scope": " ".join(pair.scopes),
        }
        return JSONResponse(record, headers=NO_STORE_HEADERS)

    return await _handle_form(request, runtime, handle)


@router.post(
    "/oauth/revoke",
    response_model=None,
    response_class=Response,
    openapi_extra=_REVOKE_FORM_SCHEMA,
    responses=_ERROR_RESPONSES,
)
async def post_revoke(request: Request, runtime: RuntimeDependency) -> Response:
    """Revoke the installation that the token belongs to (RFC 7009). An unknown token returns 200 as well."""

    async def handle(fields: FormFields) -> Response:
        await revoke_token(runtime, client_id=fields.get("client_id"), token=_require_field(fields, "token"))
        return Response(headers=NO_STORE_HEADERS)

    return await _handle_form(request, runtime, handle)


async def _issue_tokens(runtime: Runtime, fields: FormFields) -> TokenPair:
    grant_type = _require_field(fields, "grant_type")
    if grant_type not in {"authorization_code", "refresh_token"}:
        raise OAuthError("unsupported_grant_type", "Use the grant type `authorization_code` or `refresh_token`.")
    client_id = _require_field(fields, "client_id")
    if client_id != CLIENT_ID:
        raise OAuthError("invalid_client", f"Unknown client. Use `{CLIENT_ID}`.")
    if grant_type == "refresh_token":
        token = _require_field(fields, "refresh_token")
        return await refresh_tokens(runtime, client_id=client_id, token=token, scope=fields.get("scope"))
    return await exchange_code(
        runtime,
        client_id=client_id,
        code=_require_field(fields, "code"),
        verifier=_require_field(fields, "code_verifier"),
        redirect_uri=fields.get("redirect_uri"),
    )


async def _handle_form(
    request: Request, runtime: Runtime, handle: Callable[[FormFields], Awaitable[Response]]
) -> Response:
    """Pass the posted form to `handle`; every failure becomes an OAuth error response."""
    try:
        return await handle(await _parse_form(request))
    except OAuthError as error:
        return _build_refusal(request, runtime, error)
    except Problem as problem:
        return _build_error_response(problem.status, "temporarily_unavailable", problem.detail, problem.headers)
    except (psycopg.OperationalError, PoolTimeout) as error:
        # 503, because a client that receives a 4xx status would ask its user to sign in again.
        log.warning("OAuth request failed error=%s", type(error).__name__)
        return _build_error_response(
            503, "temporarily_unavailable", "The database isn't responding. Try again.", DATABASE_RETRY_HEADERS
        )


def _build_refusal(request: Request, runtime: Runtime, error: OAuthError) -> Response:
    try:
        # Only failures count, because many Home Assistants may share an address.
        runtime.rate_limiter.check(("oauth", get_request_network(request)))
    except Problem as problem:
        return _build_error_response(problem.status, "temporarily_unavailable", problem.detail, problem.headers)
    return _build_error_response(401 if error.error == "invalid_client" else 400, error.error, error.description, {})


def _build_error_response(status: int, error: ErrorCode, description: str, headers: dict[str, str]) -> Response:
    record: ErrorRecord = {"error": error, "error_description": description}
    return JSONResponse(record, status, headers=NO_STORE_HEADERS | headers)


async def _parse_form(request: Request) -> FormFields:
    """Fields of the posted form. Raises OAuthError invalid_request, also for parameters in the URL."""
    if request.url.query:
        raise OAuthError("invalid_request", "Send parameters in the body, not in the URL: URLs are logged.")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_CONTENT_TYPE:
        raise OAuthError("invalid_request", f"Send the form as {FORM_CONTENT_TYPE}.")
    try:
        text = (await request.body()).decode()
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise OAuthError("invalid_request", "The form can't be parsed.") from None
    # RFC 6749, section 3.2: empty parameters count as absent, and none may be repeated.
    fields = {name: value for name, value in pairs if value}
    if len(fields) < sum(1 for _, value in pairs if value):
        raise OAuthError("invalid_request", "A parameter is repeated. Send each one once.")
    return fields


def _require_field(fields: FormFields, name: str) -> str:
    if name not in fields:
        raise OAuthError("invalid_request", f"`{name}` is missing.")
    return fields[name]
