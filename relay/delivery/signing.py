"""Standard Webhooks: by what a receiver knows that a message is ours, untouched, and not seen before."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from uuid import UUID

SECRET_CONTEXT = b"evconduit/endpoint-secret/1\0"
SECRET_PREFIX = "whsec_"  # noqa: S105 - how every such secret begins


def derive_endpoint_secret(key: bytes, endpoint_id: UUID, salt: bytes) -> bytes:
    """An endpoint's signing secret: derived from the relay's key whenever it is needed, stored nowhere."""
    return hmac.digest(key, SECRET_CONTEXT + endpoint_id.bytes + salt, hashlib.sha256)


def encode_secret(secret: bytes) -> str:
    """The secret as a receiver is given it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def derive_message_id(endpoint_id: UUID, body: bytes) -> str:
    """Names exactly these bytes to this endpoint: the same again is recognised, a newer state is another message."""
    digest = hashlib.sha256(endpoint_id.bytes + body).digest()
    return "msg_" + base64.urlsafe_b64encode(digest[:18]).decode()


def create_signed_headers(secret: bytes, message_id: str, body: bytes, *, timestamp: int) -> Mapping[str, str]:
    """The headers that go with `body`. `at`: seconds since 1970; receivers refuse what is minutes old."""
    signature = hmac.digest(secret, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
        "Content-Type": "application/json",
    }
