"""Verify Enode's signature: an HMAC over the raw body, `x-enode-signature: sha1=<hex>`."""

import hashlib
import hmac
from collections.abc import Sequence

# Enode documents and sends SHA-1 only. SHA-256 is accepted too, so that a change at Enode breaks nothing.
ALGORITHMS = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}


def has_valid_signature(raw: bytes, signature: str | None, secrets: Sequence[str]) -> bool:
    """Whether `signature` is valid for `raw` and one of `secrets` (the current one, and the previous in a rotation).

    An empty secret never verifies: anyone could sign with it.
    """
    name, _, digest = (signature or "").partition("=")
    algorithm = ALGORITHMS.get(name.lower())
    if algorithm is None:
        return False
    # As bytes: compare_digest raises TypeError for text that isn't ASCII, and this text is untrusted.
    received = digest.lower().encode("utf-8", "replace")
    expected = [hmac.new(secret.encode(), raw, algorithm).hexdigest().encode() for secret in secrets if secret]
    return any([hmac.compare_digest(value, received) for value in expected])  # noqa: C419 - compare all, for constant time
