"""The secret that Enode signs its webhooks with: how long it must be, and the hash that the relay keeps of it.

The hash shows which secret Enode was given last, because Enode never returns it. It is keyed with the relay's secret
key: a plain hash of a short secret could be found by trying all secrets.
"""

import hashlib
import hmac
import logging
from collections.abc import Collection, Sequence
from typing import LiteralString

from psycopg.rows import scalar_row

from relay.kit.database import Pool, SyncConnection, fetch_all
from relay.kit.errors import OperatorError

log = logging.getLogger(__name__)

MIN_LENGTH = 16
"""Enode accepts 6 characters. With 16, the secret of a captured delivery can't be found by trying."""
DIGEST_CONTEXT = b"evconduit/webhook-secret/1\0"
CURRENT_SETTING, PREVIOUS_SETTING = "ENODE_WEBHOOK_SECRET", "ENODE_WEBHOOK_SECRET_PREVIOUS"

ROTATE_HINT = "rotate it, see docs/operating.md"
REMOVE_HINT = "remove it, Enode has the new one"

_LIST_DIGESTS: LiteralString = "select secret_digest from evconduit.webhook_subscriptions"
# Without WEBHOOK_URL the operator keeps the subscription at Enode, and the relay has no hash of its secret.
_HAS_UNMANAGED_WEBHOOK: LiteralString = """
select not exists (select from evconduit.webhook_subscriptions)
   and exists (select from evconduit.webhook_logs where source = 'webhook')
"""


def compute_secret_digest(key: bytes, secret: str) -> bytes:
    """Return the hash that is stored: HMAC-SHA-256 under the relay's secret key, with a context of its own."""
    return hmac.digest(key, DIGEST_CONTEXT + secret.encode(), hashlib.sha256)


def is_digest_of(digest: bytes, key: bytes, secret: str) -> bool:
    """Return whether a stored hash is this secret's. Also recognises the plain SHA-256 that earlier releases stored."""
    matches_keyed = hmac.compare_digest(digest, compute_secret_digest(key, secret))
    matches_plain = hmac.compare_digest(digest, hashlib.sha256(secret.encode()).digest())
    return matches_keyed or matches_plain


def is_too_short(secret: str) -> bool:
    """Return whether this secret is too short to be given to Enode."""
    return len(secret) < MIN_LENGTH


def require_long_secret(connection: SyncConnection, key: bytes, secrets: Sequence[str]) -> None:
    """Check the secrets at start: the current one, then the previous one of a rotation, if there are any.

    Warns of a short one that Enode has already, because rejecting its events would lose them. Raises OperatorError for
    another short current one. `list_accepted_secrets` drops such a previous one.
    """
    if not any(is_too_short(secret) for secret in secrets):
        return
    digests: list[bytes] = connection.cursor(row_factory=scalar_row).execute(_LIST_DIGESTS).fetchall()
    unmanaged = connection.execute(_HAS_UNMANAGED_WEBHOOK).fetchone()
    for name, secret in zip((CURRENT_SETTING, PREVIOUS_SETTING), secrets, strict=False):
        if not is_too_short(secret):
            continue
        if _is_known_to_enode(digests, key, secret) or (unmanaged is not None and unmanaged[0]):
            log.warning("webhook secret is short setting=%s min_length=%d hint=%r", name, MIN_LENGTH, ROTATE_HINT)
        elif name == CURRENT_SETTING:
            raise OperatorError(f"{name}: enter at least {MIN_LENGTH} characters, for example 32 random bytes in hex")
        else:
            log.warning("webhook secret is short and no longer accepted setting=%s hint=%r", name, REMOVE_HINT)


async def list_accepted_secrets(pool: Pool, key: bytes, secrets: Sequence[str]) -> list[str]:
    """Return the secrets that events may be signed with: not a short previous one that Enode doesn't have any more."""
    current, previous = list(secrets[:1]), secrets[1:]
    if not any(is_too_short(secret) for secret in previous):
        return [*current, *previous]
    async with pool.connection() as connection:
        digests: list[bytes] = await fetch_all(connection, _LIST_DIGESTS, [], scalar_row)
    if not digests:  # the operator keeps the subscription, see _HAS_UNMANAGED_WEBHOOK
        return [*current, *previous]
    return current + [
        secret for secret in previous if not is_too_short(secret) or _is_known_to_enode(digests, key, secret)
    ]


def _is_known_to_enode(digests: Collection[bytes], key: bytes, secret: str) -> bool:
    return any(is_digest_of(bytes(digest), key, secret) for digest in digests)
