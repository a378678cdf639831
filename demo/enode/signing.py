"""Sign deliveries as Enode does."""

import hashlib
import hmac


def sign(secret: str, body: bytes) -> str:
    """Return the value of `x-enode-signature` for the raw bytes of a delivery."""
    return "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
