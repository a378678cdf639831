"""Hash VINs, to recognise a vehicle that is linked again.

Only a keyed hash is stored, which reveals nothing without the relay's key.
"""

import hashlib
import hmac
import re

_VIN = re.compile(r"[A-Z0-9]{17}", re.ASCII)
_MIN_DISTINCT_CHARACTERS = 4


def normalize_vin(vin: str | None) -> str | None:
    """The VIN in capitals without spaces and hyphens; None for anything else.

    Placeholders (`UNKNOWN`, seventeen zeros) must not pass, or two vehicles would be merged.
    """
    text = re.sub(r"[\s-]", "", vin or "").upper()
    return text if _VIN.fullmatch(text) and len(set(text)) >= _MIN_DISTINCT_CHARACTERS else None


def hash_vin(key: bytes, vin: str | None) -> bytes | None:
    """The keyed hash under which a VIN is stored; None without a valid VIN."""
    text = normalize_vin(vin)
    return None if text is None else hmac.new(key, b"vin:" + text.encode(), hashlib.sha256).digest()
