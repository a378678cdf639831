"""Sign messages to endpoints as Standard Webhooks do (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from uuid import UUID

SECRET_CONTEXT = b"evconduit/endpoint-secret/1\0"
SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of every such secret


def derive_endpoint_secret(key: bytes, endpoint_id: UUID, salt: bytes) -> bytes:
    """Derive an endpoint's signing secret from the relay's key. It is stored nowhere (decision 0010)."""
    return hmac.digest(key, SECRET_CONTEXT + endpoint_id.bytes + salt, hashlib.sha256)


def encode_secret(secret: bytes) -> str:
    """Encode the secret in the form in which a receiver gets it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def derive_message_id(endpoint_id: UUID, body: bytes) -> str:
    """Derive the id of exactly these bytes to this endpoint: a retry has the same id, a newer state has another one."""
    digest = hashlib.sha256(endpoint_id.bytes + body).digest()
    return "msg_" + base64.urlsafe_b64encode(digest[:18]).decode()


def create_signed_headers(secret: bytes, message_id: str, body: bytes, *, timestamp: int) -> Mapping[str, str]:
    """Return the headers for `body`. `timestamp`: Unix time in seconds; receivers refuse one that is minutes old."""
    signature = hmac.digest(secret, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
        "Content-Type": "application/json",
    }
