"""Sign users in with Supabase Auth through its Python client: a new client for each call, sharing only the sockets.

A client of the `supabase` package is stateful: its next call acts for the user who signed in last, and it holds only
the PKCE verifier of the sign-in started last. A client per call keeps users apart.
"""

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Literal, Self, override
from uuid import UUID

import httpx
from pydantic import ValidationError
from supabase_auth import AsyncGoTrueClient, AsyncSupportedStorage
from supabase_auth.errors import AuthApiError, AuthError

from relay.gateways.supabase.config import SupabaseConfig
from relay.gateways.supabase.errors import (
    SupabaseError,
    SupabaseKeysRefused,
    SupabaseMailQuotaExhausted,
    SupabaseRateLimited,
    SupabaseRefused,
    SupabaseUnavailable,
)

type Provider = Literal["github", "google"]
type LinkKind = Literal["email", "magiclink", "signup"]
"""Supabase's types of links in emails. All of them sign in."""
type StoreVerifier = Callable[[str], Awaitable[None]]
"""Stores the PKCE verifier of this sign-in, to be found when the browser returns."""

FORWARDED_FOR_HEADER = "Sb-Forwarded-For"
"""Names the person's address to Supabase, which counts it if the project is set up so (docs/self-hosting.md)."""
_TOO_MANY_REQUESTS, _SERVER_ERROR = 429, 500
# `over_email_send_rate_limit` has two meanings (observed with v2.196). With "you can only request this after 59
# seconds" this address was sent an email within the last minute, else the project's emails of the hour are used up.
_MAIL_LIMIT_CODE = "over_email_send_rate_limit"
_REPEATED_REQUEST = re.compile(r"after \d+ second")
_CREDENTIAL_STATUSES = frozenset({401, 403})
# None: the API gateway in front of Supabase Auth refuses the key. The others are Supabase Auth's own codes.
_API_KEY_ERROR_CODES = frozenset({None, "bad_jwt", "no_authorization", "not_admin"})


class SupabaseAuth:
    """Calls to Supabase Auth. Every call raises SupabaseError and no other error of its own."""

    def __init__(self, config: SupabaseConfig, http: httpx.AsyncClient, *, client_address: str = "") -> None:
        self._config = config
        self._http = http
        self._client_address = client_address

    def for_client(self, address: str) -> Self:
        """Return the same calls on behalf of the person with this IP address, which Supabase can count by."""
        return type(self)(self._config, self._http, client_address=address)

    async def send_sign_in_link(
        self, email: str, *, redirect_to: str, should_create_user: bool, store_verifier: StoreVerifier
    ) -> None:
        """Have Supabase email a link that leads to `redirect_to` with a code. `store_verifier` is called before that.

        Unless `should_create_user`, an unknown address gets no email: Supabase raises SupabaseRefused, or returns
        normally.
        """
        with _translate_errors("send a link"):
            await self._create_client(store_verifier).sign_in_with_otp(
                {
                    "email": email,
                    "options": {"email_redirect_to": redirect_to, "should_create_user": should_create_user},
                }
            )

    async def get_provider_url(self, provider: Provider, *, redirect_to: str, store_verifier: StoreVerifier) -> str:
        """Return the URL for signing in with this provider, which redirects to `redirect_to` with a code."""
        with _translate_errors("start provider sign-in"):
            response = await self._create_client(store_verifier).sign_in_with_oauth(
                {"provider": provider, "options": {"redirect_to": redirect_to}}
            )
        return response.url

    async def exchange_code(self, code: str, verifier: str) -> str:
        """Exchange a code and its PKCE verifier for an access token. A code works once."""
        client = self._create_client()
        with _translate_errors("exchange a code"):
            # The parameter's type also lists `redirect_to`, which has no use here.
            response = await client.exchange_code_for_session({"auth_code": code, "code_verifier": verifier})
        return _require_access_token(response.session, "exchange a code")

    async def exchange_link_token(self, token_hash: str, kind: LinkKind) -> str:
        """Exchange the token hash of an emailed link for an access token. It works once."""
        client = self._create_client()
        with _translate_errors("verify a link"):
            response = await client.verify_otp({"token_hash": token_hash, "type": kind})
        return _require_access_token(response.session, "verify a link")

    async def end_supabase_session(self, access_token: str) -> None:
        """End the Supabase session of this token. The relay keeps its own sessions and would never end this one."""
        with _translate_errors("end a session"):
            await self._create_client().admin.sign_out(access_token, "local")

    async def delete_user(self, supabase_id: UUID) -> None:
        """Delete a user from Supabase Auth. A user who does not exist counts as deleted."""
        key = self._config.service_role_key
        try:
            with _translate_errors("delete a user"):
                await self._create_client(key=key).admin.delete_user(str(supabase_id))
        except SupabaseRefused as refused:
            if refused.code != "user_not_found":
                raise

    def _create_client(
        self, store_verifier: StoreVerifier | None = None, *, key: str | None = None
    ) -> AsyncGoTrueClient:
        key = key or self._config.anon_key
        headers = build_key_headers(key)
        if self._client_address:
            headers[FORWARDED_FOR_HEADER] = self._client_address
        return AsyncGoTrueClient(
            url=self._config.auth_url,
            headers=headers,
            http_client=self._http,
            storage=_VerifierStorage(store_verifier),
            flow_type="pkce",
            persist_session=False,
            auto_refresh_token=False,
        )


def build_key_headers(key: str) -> dict[str, str]:
    """Return the headers that carry an API key.

    Legacy keys are JWTs and must be sent as a bearer token as well. New keys (sb_…) are not JWTs and must not.
    """
    return {"apikey": key, **({"Authorization": f"Bearer {key}"} if key.startswith("eyJ") else {})}


class _VerifierStorage(AsyncSupportedStorage):
    """The client's storage, which only captures the PKCE verifier. It is never read: we pass the verifier ourselves."""

    def __init__(self, store_verifier: StoreVerifier | None) -> None:
        self._store_verifier = store_verifier

    @override
    async def get_item(self, key: str) -> str | None:
        return None

    @override
    async def set_item(self, key: str, value: str) -> None:
        if self._store_verifier is not None and key.endswith("-code-verifier"):
            await self._store_verifier(value)

    @override
    async def remove_item(self, key: str) -> None:
        """Do nothing: nothing is stored here."""


def _require_access_token(session: object, operation: str) -> str:
    token = getattr(session, "access_token", None)
    if not isinstance(token, str):
        raise SupabaseUnavailable(operation, "unexpected response: no access token")
    return token


@contextmanager
def _translate_errors(operation: str) -> Iterator[None]:
    """Translate the package's errors into SupabaseError."""
    try:
        yield
    except AuthApiError as error:
        raise build_error(operation, status=error.status, code=error.code, message=error.message) from None
    except AuthError as error:
        raise SupabaseUnavailable(operation, f"no response ({type(error).__name__})") from None
    except ValidationError:
        raise SupabaseUnavailable(operation, "unexpected response") from None


def build_error(operation: str, *, status: int, code: str | None, message: str) -> SupabaseError:
    """Return the error for a response of Supabase Auth, or of the API gateway in front of it."""
    if status == _TOO_MANY_REQUESTS:
        if code == _MAIL_LIMIT_CODE and not _REPEATED_REQUEST.search(message):
            return SupabaseMailQuotaExhausted(operation, "the project's email limit is used up")
        return SupabaseRateLimited(operation, "too many requests")
    if status >= _SERVER_ERROR:
        return SupabaseUnavailable(operation, f"server error (HTTP {status})")
    if status in _CREDENTIAL_STATUSES and code in _API_KEY_ERROR_CODES:
        return SupabaseKeysRefused(operation, f"the API key is refused (HTTP {status})")
    return SupabaseRefused(operation, status=status, code=code)
