"""A cache of Supabase's public signing keys: fetched on demand, kept through outages, with a limit on fetches."""

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
"""The maximum age of cached keys. A withdrawn key is refused after that."""
MIN_FETCH_INTERVAL_SECONDS = 30.0
"""The minimum time between two fetches, whatever unknown key ids tokens contain."""
RETRY_INTERVAL_SECONDS = 5.0
"""The minimum time between a failed fetch and the next one."""
MAX_KEYS = 20
ALGORITHM = "ES256"


class SigningKeys:
    """Public keys by key id. Concurrent requests for a missing key share a single fetch."""

    def __init__(self, fetch: FetchKeys, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._keys: dict[str, EllipticCurvePublicKey] = {}
        self._fetch_started_at = float("-inf")
        self._has_failed = False
        self._fetch_task: asyncio.Task[None] | None = None

    async def find(self, kid: str, *, is_fresh: bool = False) -> EllipticCurvePublicKey | None:
        """Return the key with this id, None if Supabase has none. Raises SupabaseUnavailable if the fetch failed.

        If `is_fresh`, Supabase has just issued the token that names the key: an unknown one is fetched at once, because
        the project may have rotated its keys since the last fetch.
        """
        key = self._keys.get(kid)
        if key is not None:
            if self._monotonic() - self._fetch_started_at > MAX_AGE_SECONDS:
                self._start_fetch()  # in the background: the cached key stays valid until the fetch succeeds
            return key
        await self._wait_for_fetch(is_forced=is_fresh)
        key = self._keys.get(kid)
        if key is None and self._has_failed:
            raise SupabaseUnavailable("fetch the keys", "the last fetch failed")
        return key

    async def has_any(self) -> bool:
        """Return whether Supabase publishes a key that the relay accepts. Raises SupabaseUnavailable if unknown."""
        if not self._keys:
            await self._wait_for_fetch()
        if not self._keys and self._has_failed:
            raise SupabaseUnavailable("fetch the keys", "the last fetch failed")
        return bool(self._keys)

    async def reload(self) -> int:
        """Fetch the keys now and return how many there are. Raises SupabaseUnavailable."""
        self._keys = _parse_keys(await self._fetch())
        return len(self._keys)

    async def close(self) -> None:
        """Cancel a running fetch."""
        if self._fetch_task is not None:
            self._fetch_task.cancel()
            await asyncio.wait([self._fetch_task])

    async def _wait_for_fetch(self, *, is_forced: bool = False) -> None:
        fetch_task = self._start_fetch(is_forced=is_forced)
        if fetch_task is not None:
            await asyncio.shield(fetch_task)  # a cancelled caller must not cancel the others' fetch

    def _start_fetch(self, *, is_forced: bool = False) -> asyncio.Task[None] | None:
        """Return the running fetch or start one; None if it is too early for another one and it isn't forced."""
        if self._fetch_task is not None:
            return self._fetch_task
        interval = RETRY_INTERVAL_SECONDS if self._has_failed else MIN_FETCH_INTERVAL_SECONDS
        if not is_forced and self._monotonic() - self._fetch_started_at < interval:
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
            log.warning("supabase signing keys not fetched error=%r", str(error))
        finally:
            self._fetch_task = None


def _parse_keys(document: Mapping[str, Any]) -> dict[str, EllipticCurvePublicKey]:
    """Parse the ES256 keys of a JSON Web Key Set. Others, such as an older project's shared secret, are ignored."""
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise SupabaseUnavailable("fetch the keys", "unexpected response: no list of keys")
    keys = {}
    for jwk in entries[:MAX_KEYS]:
        if not isinstance(jwk, dict) or jwk.get("alg", ALGORITHM) != ALGORITHM or not isinstance(jwk.get("kid"), str):
            continue
        try:
            key = PyJWK.from_dict(jwk, algorithm=ALGORITHM).key
        except PyJWTError, ValueError, TypeError:
            continue
        if isinstance(key, EllipticCurvePublicKey) and key.curve.name == "secp256r1":
            keys[jwk["kid"]] = key
    return keys
