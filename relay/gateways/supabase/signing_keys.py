"""The keys that Supabase signs with: fetched when needed, kept while it is away, never fetched more than it takes."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from jwt import PyJWK, PyJWTError

from relay.gateways.supabase.errors import SupabaseUnavailable

log = logging.getLogger(__name__)

type FetchKeys = Callable[[], Awaitable[Mapping[str, Any]]]

MAX_AGE_SECONDS = 600.0
"""So old the keys may be before they are fetched again; a key that was withdrawn is refused from then on."""
MIN_FETCH_INTERVAL_SECONDS = 30.0
"""So long after a fetch nobody can make us fetch again, whatever unknown key a token names."""
RETRY_INTERVAL_SECONDS = 5.0
"""The same after a fetch that failed."""
MAX_KEYS = 20
ALGORITHM = "ES256"


class SigningKeys:
    """Public keys by their id. Requests that miss one share a single fetch."""

    def __init__(self, fetch: FetchKeys, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._keys: dict[str, EllipticCurvePublicKey] = {}
        self._fetch_started_at = float("-inf")
        self._has_failed = False
        self._fetch_task: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> EllipticCurvePublicKey | None:
        """The key of this id; None when Supabase has none. Raises SupabaseUnavailable when that cannot be known."""
        key = self._keys.get(kid)
        if key is not None:
            if self._monotonic() - self._fetch_started_at > MAX_AGE_SECONDS:
                self._start_fetch()  # nobody waits: the key at hand is good until we know better
            return key
        fetching = self._start_fetch()
        if fetching is not None:
            await asyncio.shield(fetching)  # one caller who leaves must not take it away from the others
        key = self._keys.get(kid)
        if key is None and self._has_failed:
            raise SupabaseUnavailable("fetch the keys", "its keys are not to be had")
        return key

    async def reload(self) -> int:
        """How many keys there are, freshly fetched. Raises SupabaseUnavailable."""
        self._keys = _parse_keys(await self._fetch())
        return len(self._keys)

    async def close(self) -> None:
        """End a fetch that is still going on."""
        if self._fetch_task is not None:
            self._fetch_task.cancel()
            await asyncio.wait([self._fetch_task])

    def _start_fetch(self) -> asyncio.Task[None] | None:
        """The fetch that goes on or begins now; None when it is too early for another one."""
        if self._fetch_task is not None:
            return self._fetch_task
        pause = RETRY_INTERVAL_SECONDS if self._has_failed else MIN_FETCH_INTERVAL_SECONDS
        if self._monotonic() - self._fetch_started_at < pause:
            return None
        self._fetch_started_at = self._monotonic()
        self._fetch_task = asyncio.create_task(self._run_fetch())
        return self._fetch_task

    async def _run_fetch(self) -> None:
        try:
            self._keys = _parse_keys(await self._fetch())
            self._has_failed = False
        except SupabaseUnavailable as error:
            self._has_failed = True
            log.warning("%s", error)
        finally:
            self._fetch_task = None


def _parse_keys(document: Mapping[str, Any]) -> dict[str, EllipticCurvePublicKey]:
    """The keys that tokens of people are signed with. Others (of an older project a shared secret) are passed over."""
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise SupabaseUnavailable("fetch the keys", "the answer is not understood: no list of keys")
    keys = {}
    for it in listed[:MAX_KEYS]:
        if not isinstance(it, dict) or it.get("alg", ALGORITHM) != ALGORITHM or not isinstance(it.get("kid"), str):
            continue
        try:
            key = PyJWK.from_dict(it, algorithm=ALGORITHM).key
        except PyJWTError, ValueError, TypeError:
            continue
        if isinstance(key, EllipticCurvePublicKey) and key.curve.name == "secp256r1":
            keys[it["kid"]] = key
    return keys
