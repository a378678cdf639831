"""Signing people in at Supabase Auth, through its own client: one fresh client a request, nothing shared but sockets.

A client of the `supabase` package remembers: whoever signed in last is who its next call speaks for, and the one PKCE
verifier it holds is that of the last sign-in begun. So each call here has a client of its own, which forgets.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Literal, override
from uuid import UUID

import httpx
from pydantic import ValidationError
from supabase_auth import AsyncGoTrueClient, AsyncSupportedStorage
from supabase_auth.errors import AuthApiError, AuthError

from relay.gateways.supabase.config import SupabaseConfig
from relay.gateways.supabase.errors import (
    SupabaseKeysRefused,
    SupabaseRateLimited,
    SupabaseRefused,
    SupabaseUnavailable,
)

type Provider = Literal["github", "google"]
type LinkKind = Literal["email", "magiclink", "signup"]
"""What a link in a mail is for, in Supabase's words: all of them sign in."""
type StoreVerifier = Callable[[str], Awaitable[None]]
"""Is given the PKCE verifier of this one sign-in and puts it where the browser's return will find it."""

_TOO_MANY_REQUESTS, _SERVER_ERROR = 429, 500
_CREDENTIAL_STATUSES = frozenset({401, 403})
# Of the gateway before Supabase Auth, and of Supabase Auth itself.
_API_KEY_ERROR_CODES = frozenset({None, "bad_jwt", "no_authorization", "not_admin"})


class SupabaseAuth:
    """What the relay asks of Supabase Auth. Every call raises SupabaseError and nothing else of its own."""

    def __init__(self, config: SupabaseConfig, http: httpx.AsyncClient) -> None:
        self._config = config
        self._http = http

    async def send_sign_in_link(
        self, email: str, *, redirect_to: str, should_create_user: bool, store_verifier: StoreVerifier
    ) -> None:
        """Have a link mailed that ends at `back_to` with a code. `keep` is called before the mail leaves.

        Without `may_create`, nobody whom Supabase does not know gets a mail: SupabaseRefused, or nothing at all.
        """
        with _translate_errors("send a link"):
            await self._create_client(store_verifier).sign_in_with_otp(
                {
                    "email": email,
                    "options": {"email_redirect_to": redirect_to, "should_create_user": should_create_user},
                }
            )

    async def get_provider_url(self, provider: Provider, *, redirect_to: str, store_verifier: StoreVerifier) -> str:
        """Where the browser goes to sign in with this provider; it comes back to `back_to` with a code."""
        with _translate_errors("begin with a provider"):
            begun = await self._create_client(store_verifier).sign_in_with_oauth(
                {"provider": provider, "options": {"redirect_to": redirect_to}}
            )
        return begun.url

    async def exchange_code(self, code: str, verifier: str) -> str:
        """The access token that a code stands for, once, for whoever has the verifier."""
        client = self._create_client()
        with _translate_errors("exchange a code"):
            # The type wants an address to return to as well; nothing returns from here.
            answer = await client.exchange_code_for_session({"auth_code": code, "code_verifier": verifier})
        return _require_access_token(answer.session, "exchange a code")

    async def exchange_link_token(self, token_hash: str, kind: LinkKind) -> str:
        """The access token that a link's token stands for, once."""
        client = self._create_client()
        with _translate_errors("follow a link"):
            answer = await client.verify_otp({"token_hash": token_hash, "type": kind})
        return _require_access_token(answer.session, "follow a link")

    async def end_supabase_session(self, access_token: str) -> None:
        """End the session that came with this token: nothing of it is kept here, so nobody would ever end it."""
        with _translate_errors("end a session"):
            await self._create_client().admin.sign_out(access_token, "local")

    async def delete_user(self, supabase_id: UUID) -> None:
        """Delete a person from Supabase Auth. One who is not there (any more) counts as deleted."""
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
        headers = {"apikey": key}
        # The old keys are JWTs and are wanted as a bearer too; the new ones (sb_…) are none and must not be.
        if key.startswith("eyJ"):
            headers["Authorization"] = f"Bearer {key}"
        return AsyncGoTrueClient(
            url=self._config.auth_url,
            headers=headers,
            http_client=self._http,
            storage=_VerifierStorage(store_verifier),
            flow_type="pkce",
            persist_session=False,
            auto_refresh_token=False,
        )


class _VerifierStorage(AsyncSupportedStorage):
    """Where a client puts the PKCE verifier that it makes. It never gets it back from here: we give it."""

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
        """Nothing is here."""


def _require_access_token(session: object, operation: str) -> str:
    token = getattr(session, "access_token", None)
    if not isinstance(token, str):
        raise SupabaseUnavailable(operation, "the answer is not understood: no access token")
    return token


@contextmanager
def _translate_errors(operation: str) -> Iterator[None]:
    """The package's errors in our words."""
    try:
        yield
    except AuthApiError as error:
        if error.status == _TOO_MANY_REQUESTS:
            raise SupabaseRateLimited(operation, "too many requests") from None
        if error.status >= _SERVER_ERROR:
            raise SupabaseUnavailable(operation, f"no answer (HTTP {error.status})") from None
        if error.status in _CREDENTIAL_STATUSES and error.code in _API_KEY_ERROR_CODES:
            raise SupabaseKeysRefused(operation, f"our keys are refused (HTTP {error.status})") from None
        raise SupabaseRefused(operation, status=error.status, code=error.code) from None
    except AuthError as error:
        raise SupabaseUnavailable(operation, f"no answer ({type(error).__name__})") from None
    except ValidationError:
        raise SupabaseUnavailable(operation, "the answer is not understood") from None
