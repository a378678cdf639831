"""Finds the relay at an address that a user typed or that was discovered, and says why there is none."""

from dataclasses import dataclass
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .client import (
    AccountDisabledError,
    CertificateError,
    ForbiddenError,
    NoTlsError,
    RedirectedError,
    RelayConnectionError,
    RelayError,
    TryAgainError,
    UnauthorizedError,
    UnsupportedRelayError,
    fetch_fingerprint,
    find_relay,
    get_tls_check,
    has_scheme,
    list_relay_urls,
)
from .const import DEFAULT_URL, LOGGER

# The first class that matches is used: subclasses come before their base.
ERROR_KEYS: Final[tuple[tuple[type[RelayError], str], ...]] = (
    (UnauthorizedError, "invalid_auth"),
    (ForbiddenError, "invalid_auth"),
    (AccountDisabledError, "account_disabled"),
    (RedirectedError, "redirected"),
    (UnsupportedRelayError, "unsupported_relay"),
    (CertificateError, "invalid_certificate"),
    (NoTlsError, "no_tls"),
    (TryAgainError, "cannot_connect"),
    (RelayError, "unknown"),
)
INVALID_URL: Final = "invalid_url"
GUESS_ERRORS: Final = frozenset({"cannot_connect", "no_tls", "unknown"})
"""What an address without a scheme gets if it is no address of a server at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundRelay:
    """A relay. `authorize_url` is None if it supports API keys only, `fingerprint` if its certificate is valid."""

    url: str
    authorize_url: str | None
    fingerprint: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class UntrustedRelay:
    """A server whose certificate neither an authority nor the user vouches for."""

    url: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchFailure:
    """Why there is no relay: a translation key of the flow's errors. `location`: where the address redirects to."""

    key: str
    location: str | None = None


type SearchResult = FoundRelay | UntrustedRelay | SearchFailure


def get_error_key(error: RelayError) -> str:
    """Return the translation key of an error in the flow."""
    return next(key for error_type, key in ERROR_KEYS if isinstance(error, error_type))


async def async_search_relay(hass: HomeAssistant, address: str, trusted: frozenset[str]) -> SearchResult:
    """Find the relay and its authorization page. `trusted`: the fingerprints that the user trusts."""
    try:
        urls = list_relay_urls(address)
    except ValueError:
        return SearchFailure(key=INVALID_URL)
    error: RelayError | None = None
    for url in urls:
        try:
            return await _async_find(hass, url, trusted)
        except RelayError as err:
            is_silent = isinstance(err, RelayConnectionError) and not isinstance(err, CertificateError)
            error = error if is_silent and error is not None else err
        except Exception:  # noqa: BLE001 - logged, and shown as "unknown", as in Home Assistant's own flows
            LOGGER.exception("Unexpected error while looking for a relay")
            error = error or RelayError("unexpected error")
    return _describe(error, is_complete=has_scheme(address))


async def _async_find(hass: HomeAssistant, url: str, trusted: frozenset[str]) -> FoundRelay | UntrustedRelay:
    """Find the relay at this address. Raises RelayError."""
    session = async_get_clientsession(hass)
    try:
        relay_url, authorize_url = await find_relay(session, url)
    except CertificateError as err:
        # Nobody needs to vouch for the operator of the cloud: there, a certificate that isn't trusted is an attack.
        if err.relay_url is None or err.relay_url == DEFAULT_URL:
            raise
        fingerprint = await fetch_fingerprint(session, err.relay_url)
        if fingerprint not in trusted:
            return UntrustedRelay(url=err.relay_url, fingerprint=fingerprint)
        relay_url, authorize_url = await find_relay(session, err.relay_url, tls_check=get_tls_check(fingerprint))
        return FoundRelay(url=relay_url, authorize_url=authorize_url, fingerprint=fingerprint)
    return FoundRelay(url=relay_url, authorize_url=authorize_url)


def _describe(error: RelayError | None, *, is_complete: bool) -> SearchFailure:
    """Describe why there is no relay. Nothing may have responded because a part of the address is missing."""
    if error is None or (not is_complete and get_error_key(error) in GUESS_ERRORS):
        return SearchFailure(key=INVALID_URL)
    location = error.location if isinstance(error, RedirectedError) else None
    return SearchFailure(key=get_error_key(error), location=str(location.origin()) if location else None)
