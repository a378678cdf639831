"""What the relay POSTs where there is no stream: signed as Standard Webhooks has it, with the stream's own messages."""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from .answers import json_of
from .fields import Fields
from .models import Bye
from .stream import KINDS, Received

TOLERANCE: Final = timedelta(minutes=5)
"""Further from our own clock than this no honest message is; an old one may be somebody's recording."""
MOST_SIGNATURES: Final = 8
"""While a secret is changed there are two."""
LONGEST_HEADER: Final = 2048

_PREFIX: Final = "whsec_"
_VERSION: Final = "v1"


class SignatureError(ValueError):
    """Not the relay's, not whole, or not of now. Never says more: who forges must not learn from it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """The messages of one POST, each with where it stands in the feed. A test has none."""

    messages: tuple[Received, ...]

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Raises MalformedError. Messages from the future are passed over."""
        it = json_of(body)
        it.needed_text("type")
        return cls(messages=tuple(found for each in it.needed_list("messages") if (found := _message(each))))


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now: float | None = None) -> str:
    """The id of a message that the relay has signed. Raises SignatureError for every other.

    `secret` as the relay gave it (`whsec_…`); `now` in seconds since 1970.
    """
    message_id = _header(headers, "webhook-id")
    timestamp = _header(headers, "webhook-timestamp")
    signatures = _header(headers, "webhook-signature").split(" ")[:MOST_SIGNATURES]
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= len("99999999999")):
        raise SignatureError("no time")
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE.total_seconds():
        raise SignatureError("of another time")
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256))
    # All are compared, whichever of them fits: the time it takes must tell nothing.
    fits = [hmac.compare_digest(expected, given) for given in map(_signature, signatures)]
    if not any(fits):
        raise SignatureError("not the relay's")
    return message_id


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value or len(value) > LONGEST_HEADER or not value.isascii():
        raise SignatureError(name)
    return value


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error, ValueError:
        raise SignatureError("no secret") from None
    if not secret.startswith(_PREFIX) or not key:
        raise SignatureError("no secret")  # an empty key would fit what anybody can sign
    return key


def _signature(given: str) -> bytes:
    version, _, value = given.partition(",")
    return value.encode() if version == _VERSION else b""


def _message(it: Fields) -> Received | None:
    parse = KINDS.get(it.needed_text("event"))
    message = parse(it.needed_fields("data")) if parse else None
    if message is None or isinstance(message, Bye):
        return None
    return Received(message=message, cursor=it.text("id"))
