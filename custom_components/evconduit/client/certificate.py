"""Certificates that the user trusts although no authority vouches for them."""

import re
from typing import Final

from aiohttp import ClientSession, ClientTimeout, Fingerprint, ServerFingerprintMismatch

from .errors import UnsupportedRelayError
from .responses import translate_errors

type TlsCheck = Fingerprint | bool
"""What aiohttp's `ssl` takes: True checks the certificate as usual, a fingerprint accepts exactly that certificate."""

FINGERPRINT_SIZE: Final = 32
"""Bytes of a SHA-256."""
TIMEOUT: Final = ClientTimeout(total=20, connect=10)


def get_tls_check(fingerprint: str | None) -> TlsCheck:
    """Return how to check the relay's certificate. `fingerprint` is the trusted one, in hexadecimal digits."""
    return True if fingerprint is None else Fingerprint(bytes.fromhex(fingerprint))


def format_fingerprint(fingerprint: str) -> str:
    """Format a fingerprint as browsers and openssl show it: `AB:CD:…`."""
    return ":".join(re.findall("..", fingerprint.upper()))


async def fetch_fingerprint(session: ClientSession, url: str) -> str:
    """Return the SHA-256 of the certificate of a server with https, in hexadecimal digits.

    Sends no request: no certificate has the SHA-256 that is asked for, so the connection ends as soon as the
    certificate is known. Raises RelayError if nothing responds.
    """
    with translate_errors():
        try:
            async with session.head(
                url, ssl=Fingerprint(bytes(FINGERPRINT_SIZE)), timeout=TIMEOUT, allow_redirects=False
            ):
                raise UnsupportedRelayError("the server presents no certificate")
        except ServerFingerprintMismatch as err:
            return err.got.hex()
