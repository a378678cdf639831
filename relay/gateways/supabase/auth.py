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
    SupabaseBusy,
    SupabaseKeysRefused,
    SupabaseRefused,
    SupabaseUnavailable,
)

type Provider = Literal["github", "google"]
type LinkKind = Literal["email", "magiclink", "signup"]
"""What a link in a mail is for, in Supabase's words: all of them sign in."""
type Keep = Callable[[str], Awaitable[None]]
"""Is given the PKCE verifier of this one sign-in and puts it where the browser's return will find it."""

_TOO_MANY, _OWN_FAILURE = 429, 500
_NOT_US = frozenset({401, 403})
# Of the gateway before Supabase Auth, and of Supabase Auth itself.
_KEY_CODES = frozenset({None, "bad_jwt", "no_authorization", "not_admin"})


class SupabaseAuth:
    """What the relay asks of Supabase Auth. Every call raises SupabaseError and nothing else of its own."""

    def __init__(self, config: SupabaseConfig, http: httpx.AsyncClient) -> None:
        self._config = config
        self._http = http

    async def send_link(self, email: str, *, back_to: str, may_create: bool, keep: Keep) -> None:
        """Have a link mailed that ends at `back_to` with a code. `keep` is called before the mail leaves.

        Without `may_create`, nobody whom Supabase does not know gets a mail: SupabaseRefused, or nothing at all.
        """
        with _told("send a link"):
            await self._client(keep).sign_in_with_otp(
                {"email": email, "options": {"email_redirect_to": back_to, "should_create_user": may_create}}
            )

    async def provider_url(self, provider: Provider, *, back_to: str, keep: Keep) -> str:
        """Where the browser goes to sign in with this provider; it comes back to `back_to` with a code."""
        with _told("begin with a provider"):
            begun = await self._client(keep).sign_in_with_oauth(
                {"provider": provider, "options": {"redirect_to": back_to}}
            )
        return begun.url

    async def exchange(self, code: str, verifier: str) -> str:
        """The access token that a code stands for, once, for whoever has the verifier."""
        client = self._client()
        with _told("exchange a code"):
            # The type wants an address to return to as well; nothing returns from here.
            answer = await client.exchange_code_for_session({"auth_code": code, "code_verifier": verifier})
        return _access_token(answer.session, "exchange a code")

    async def follow(self, token_hash: str, kind: LinkKind) -> str:
        """The access token that a link's token stands for, once."""
        client = self._client()
        with _told("follow a link"):
            answer = await client.verify_otp({"token_hash": token_hash, "type": kind})
        return _access_token(answer.session, "follow a link")

    async def forget_session(self, access_token: str) -> None:
        """End the session that came with this token: nothing of it is kept here, so nobody would ever end it."""
        with _told("end a session"):
            await self._client().admin.sign_out(access_token, "local")

    async def delete_user(self, supabase_id: UUID) -> None:
        """Delete a person from Supabase Auth. One who is not there (any more) counts as deleted."""
        key = self._config.service_role_key
        try:
            with _told("delete a user"):
                await self._client(key=key).admin.delete_user(str(supabase_id))
        except SupabaseRefused as refused:
            if refused.code != "user_not_found":
                raise

    def _client(self, keep: Keep | None = None, *, key: str | None = None) -> AsyncGoTrueClient:
        key = key or self._config.anon_key
        headers = {"apikey": key}
        # The old keys are JWTs and are wanted as a bearer too; the new ones (sb_…) are none and must not be.
        if key.startswith("eyJ"):
            headers["Authorization"] = f"Bearer {key}"
        return AsyncGoTrueClient(
            url=self._config.auth_url,
            headers=headers,
            http_client=self._http,
            storage=_Verifier(keep),
            flow_type="pkce",
            persist_session=False,
            auto_refresh_token=False,
        )


class _Verifier(AsyncSupportedStorage):
    """Where a client puts the PKCE verifier that it makes. It never gets it back from here: we give it."""

    def __init__(self, keep: Keep | None) -> None:
        self._keep = keep

    @override
    async def get_item(self, key: str) -> str | None:
        return None

    @override
    async def set_item(self, key: str, value: str) -> None:
        if self._keep is not None and key.endswith("-code-verifier"):
            await self._keep(value)

    @override
    async def remove_item(self, key: str) -> None:
        """Nothing is here."""


def _access_token(session: object, operation: str) -> str:
    token = getattr(session, "access_token", None)
    if not isinstance(token, str):
        raise SupabaseUnavailable(operation, "the answer is not understood: no access token")
    return token


@contextmanager
def _told(operation: str) -> Iterator[None]:
    """The package's errors in our words."""
    try:
        yield
    except AuthApiError as error:
        if error.status == _TOO_MANY:
            raise SupabaseBusy(operation, "too many requests") from None
        if error.status >= _OWN_FAILURE:
            raise SupabaseUnavailable(operation, f"no answer (HTTP {error.status})") from None
        if error.status in _NOT_US and error.code in _KEY_CODES:
            raise SupabaseKeysRefused(operation, f"our keys are refused (HTTP {error.status})") from None
        raise SupabaseRefused(operation, status=error.status, code=error.code) from None
    except AuthError as error:
        raise SupabaseUnavailable(operation, f"no answer ({type(error).__name__})") from None
    except ValidationError:
        raise SupabaseUnavailable(operation, "the answer is not understood") from None
