"""Supabase Auth as the relay has it: who signs in, and whose token this is."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

from relay.gateways.supabase.auth import SupabaseAuth
from relay.gateways.supabase.config import SupabaseConfig
from relay.gateways.supabase.errors import SupabaseUnavailable
from relay.gateways.supabase.signing_keys import SigningKeys
from relay.gateways.supabase.token_verifier import TokenVerifier

TIMEOUT_SECONDS = 10.0
KEYS_TIMEOUT_SECONDS = 3.0
"""A request waits for the keys, so this is shorter."""


class SupabaseClient:
    """One project's Supabase Auth."""

    def __init__(self, config: SupabaseConfig, http: httpx.AsyncClient) -> None:
        self._http = http
        # As a browser names it, in rules about where forms may lead.
        self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(config.url))
        self._keys_url = f"{config.auth_url}/.well-known/jwks.json"
        self.auth = SupabaseAuth(config, http)
        self.signing_keys = SigningKeys(self.fetch_keys)
        self.token_verifier = TokenVerifier(self.signing_keys, issuer=config.auth_url)

    async def fetch_keys(self) -> Mapping[str, Any]:
        """The keys that the project signs with, as it publishes them. Raises SupabaseUnavailable."""
        try:
            answer = await self._http.get(self._keys_url, timeout=KEYS_TIMEOUT_SECONDS)
            answer.raise_for_status()
            document = answer.json()
        except httpx.HTTPError as error:
            raise SupabaseUnavailable("fetch the keys", f"no answer ({type(error).__name__})") from None
        except ValueError:
            raise SupabaseUnavailable("fetch the keys", "the answer is not understood: no JSON") from None
        if not isinstance(document, dict):
            raise SupabaseUnavailable("fetch the keys", "the answer is not understood: no JSON object")
        return document


@asynccontextmanager
async def open_supabase(config: SupabaseConfig) -> AsyncIterator[SupabaseClient]:
    """A client with connections of its own, closed at the end. Opening talks to nobody."""
    # A stray proxy or netrc variable must not see the project's keys, nor whoever a redirect would lead to.
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as http:
        client = SupabaseClient(config, http)
        try:
            yield client
        finally:
            await client.signing_keys.close()
