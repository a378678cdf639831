"""What the relay POSTs while the stream is down: the stream's messages, signed as in Standard Webhooks."""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from .json_reader import JsonReader
from .models import Bye
from .responses import parse_json_object
from .stream import MESSAGE_PARSERS, ReceivedMessage

TIMESTAMP_TOLERANCE: Final = timedelta(minutes=5)
"""Maximum difference to the local clock. Older messages could be replayed ones."""
MAX_SIGNATURES: Final = 8
"""There are two while a secret is rotated."""
MAX_HEADER_LENGTH: Final = 2048

_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - not a secret itself
_SIGNATURE_VERSION: Final = "v1"


class SignatureError(ValueError):
    """The signature is missing, invalid or too old. Never return the text to the sender, who could learn from it."""


class TimestampError(SignatureError):
    """The signature is valid, but the time when it was made is out of tolerance: a replay, or a clock is wrong."""

    def __init__(self, timestamp: int) -> None:
        super().__init__("timestamp out of tolerance")
        self.timestamp = timestamp


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookDelivery:
    """The messages of one POST, each with its cursor. A delivery of type `test` has none.

    `cursor`: what the relay had read when it sent them. A snapshot's own is earlier if transitions follow it.
    """

    messages: tuple[ReceivedMessage, ...]
    cursor: str | None = None

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Parse the body. Skips types of message added in a later version. Raises MalformedError."""
        reader = parse_json_object(body)
        reader.require_str("type")
        messages = map(_parse_message, reader.require_object_list("messages"))
        return cls(
            messages=tuple(message for message in messages if message is not None), cursor=reader.get_str("cursor")
        )


def verify_signature(secret: str, headers: Mapping[str, str], body: bytes, *, now: float | None = None) -> str:
    """Verify that the relay signed the message, and return the message's id.

    `secret` has the form `whsec_…`; `now` is in seconds since 1970. Raises SignatureError, and TimestampError if only
    the time is wrong.
    """
    message_id = _get_header(headers, "webhook-id")
    timestamp = _get_header(headers, "webhook-timestamp")
    signatures = _get_header(headers, "webhook-signature").split(" ")[:MAX_SIGNATURES]
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= len("99999999999")):
        raise SignatureError("malformed timestamp")
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = base64.b64encode(hmac.digest(_decode_secret(secret), signed, hashlib.sha256))
    # No early exit: the duration must not depend on which signature matches.
    matches = [hmac.compare_digest(expected, signature) for signature in map(_parse_signature, signatures)]
    if not any(matches):
        raise SignatureError("no matching signature")
    if abs((time.time() if now is None else now) - int(timestamp)) > TIMESTAMP_TOLERANCE.total_seconds():
        raise TimestampError(int(timestamp))
    return message_id


def get_timestamp(headers: Mapping[str, str]) -> int:
    """Return when a verified message was signed, in seconds since 1970."""
    return int(headers["webhook-timestamp"])


def _get_header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value or len(value) > MAX_HEADER_LENGTH or not value.isascii():
        raise SignatureError(name)
    return value


def _decode_secret(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except binascii.Error, ValueError:
        raise SignatureError("malformed secret") from None
    if not secret.startswith(_SECRET_PREFIX) or not key:
        raise SignatureError("malformed secret")  # anyone can sign with an empty key
    return key


def _parse_signature(signature: str) -> bytes:
    version, _, value = signature.partition(",")
    return value.encode() if version == _SIGNATURE_VERSION else b""


def _parse_message(reader: JsonReader) -> ReceivedMessage | None:
    parse = MESSAGE_PARSERS.get(reader.require_str("event"))
    message = parse(reader.require_object("data")) if parse else None
    if message is None or isinstance(message, Bye):
        return None
    return ReceivedMessage(message=message, cursor=reader.get_str("id"))
