"""Is this body from Enode? HMAC over the raw bytes, `x-enode-signature: sha1=<hex>`."""

import hashlib
import hmac
from collections.abc import Sequence

# Enode signs with SHA-1 and documents nothing else; a SHA-256 one is verified as what it says it is.
ALGORITHMS = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}


def has_valid_signature(raw: bytes, signature: str | None, secrets: Sequence[str]) -> bool:
    """Whether `signature` was made over `raw` with one of `secrets` (the current one, and the previous in a rotation).

    Anybody could sign with an empty secret, so it never verifies.
    """
    name, _, given = (signature or "").partition("=")
    algorithm = ALGORITHMS.get(name.lower())
    if algorithm is None:
        return False
    # As bytes: compare_digest raises TypeError for text that is not ASCII, and this text is a stranger's.
    claimed = given.lower().encode("utf-8", "replace")
    expected = [hmac.new(secret.encode(), raw, algorithm).hexdigest().encode() for secret in secrets if secret]
    return any([hmac.compare_digest(it, claimed) for it in expected])  # noqa: C419 - a list: all secrets take their time
