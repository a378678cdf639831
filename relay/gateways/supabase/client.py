"""The client of Supabase Auth: sign-in and the verification of access tokens."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

from relay.gateways.supabase.admin import SupabaseAdmin
from relay.gateways.supabase.auth import SupabaseAuth, build_key_headers
from relay.gateways.supabase.config import SupabaseConfig
from relay.gateways.supabase.errors import SupabaseUnavailable
from relay.gateways.supabase.signing_keys import SigningKeys
from relay.gateways.supabase.token_verifier import TokenVerifier

TIMEOUT_SECONDS = 10.0
KEYS_TIMEOUT_SECONDS = 3.0
"""Shorter than TIMEOUT_SECONDS because requests to the relay wait for the keys."""


class SupabaseClient:
    """One project's Supabase Auth."""

    def __init__(self, config: SupabaseConfig, http: httpx.AsyncClient) -> None:
        self._http = http
        # For the `form-action` of a Content-Security-Policy.
        self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(config.url))
        self._keys_url = f"{config.auth_url}/.well-known/jwks.json"
        # Self-hosted gateways may want a key for the published keys too.
        self._keys_headers = build_key_headers(config.anon_key)
        self.auth = SupabaseAuth(config, http)
        self.admin = SupabaseAdmin(config, http)
        self.signing_keys = SigningKeys(self.fetch_keys)
        self.token_verifier = TokenVerifier(self.signing_keys, issuer=config.auth_url)

    async def fetch_keys(self) -> Mapping[str, Any]:
        """Fetch the project's public signing keys (a JSON Web Key Set). Raises SupabaseUnavailable."""
        try:
            response = await self._http.get(self._keys_url, headers=self._keys_headers, timeout=KEYS_TIMEOUT_SECONDS)
            response.raise_for_status()
            document = response.json()
        except httpx.HTTPError as error:
            raise SupabaseUnavailable("fetch the keys", f"no response ({type(error).__name__})") from None
        except ValueError:
            raise SupabaseUnavailable("fetch the keys", "unexpected response: not JSON") from None
        if not isinstance(document, dict):
            raise SupabaseUnavailable("fetch the keys", "unexpected response: not a JSON object")
        return document


@asynccontextmanager
async def open_supabase(config: SupabaseConfig) -> AsyncIterator[SupabaseClient]:
    """Yield a client with its own connection pool, closed at the end. Opening it sends no request."""
    # A proxy or netrc file named in the environment must not receive the project's keys, nor the target of a redirect.
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as http:
        client = SupabaseClient(config, http)
        try:
            yield client
        finally:
            await client.signing_keys.close()
