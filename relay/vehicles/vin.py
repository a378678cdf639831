"""VINs recognise a car that comes back. Only a keyed hash is kept: without the relay's key it tells nothing."""

import hashlib
import hmac
import re

_VIN = re.compile(r"[A-Z0-9]{17}", re.ASCII)
_MIN_DISTINCT_CHARACTERS = 4


def normalise_vin(vin: str | None) -> str | None:
    """The VIN in capitals without spaces; None for what is none, because placeholders would make two cars one."""
    text = re.sub(r"[\s-]", "", vin or "").upper()
    return text if _VIN.fullmatch(text) and len(set(text)) >= _MIN_DISTINCT_CHARACTERS else None


def hash_vin(key: bytes, vin: str | None) -> bytes | None:
    """What is stored of a VIN."""
    text = normalise_vin(vin)
    return None if text is None else hmac.new(key, b"vin:" + text.encode(), hashlib.sha256).digest()
