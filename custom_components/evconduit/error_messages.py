"""Translation keys and HomeAssistantErrors for the errors of the relay client."""

from homeassistant.exceptions import HomeAssistantError

from .client import (
    AccountDisabledError,
    CertificateChangedError,
    CertificateError,
    CommandRefusedError,
    EnodeUnavailableError,
    ForbiddenError,
    NotBrokenError,
    NotFoundError,
    NoTlsError,
    QuotaExhaustedError,
    RelayError,
    TooManyRequestsError,
    TryAgainError,
    UnauthorizedError,
    UnsupportedRelayError,
)
from .const import DOMAIN

# The first class that matches is used: subclasses come before their base.
TRANSLATION_KEYS: tuple[tuple[type[RelayError], str], ...] = (
    (UnauthorizedError, "invalid_auth"),
    (ForbiddenError, "not_allowed"),
    (AccountDisabledError, "account_disabled"),
    (UnsupportedRelayError, "unsupported_relay"),
    (NotFoundError, "vehicle_gone"),
    (QuotaExhaustedError, "quota_exhausted"),
    (EnodeUnavailableError, "enode_unavailable"),
    (CertificateChangedError, "certificate_changed"),
    (CertificateError, "invalid_certificate"),
    (NoTlsError, "no_tls"),
    (TryAgainError, "cannot_connect"),
    (RelayError, "relay_error"),
)


def get_translation_key(error: RelayError) -> str:
    """Return the translation key, under `exceptions`, for an error."""
    return next(key for error_type, key in TRANSLATION_KEYS if isinstance(error, error_type))


def create_command_error(error: RelayError) -> HomeAssistantError:
    """Create the error for a failed command, with the vehicle's reason if it refused."""
    if not isinstance(error, CommandRefusedError):
        return HomeAssistantError(translation_domain=DOMAIN, translation_key=get_translation_key(error))
    if not (reason := error.reason.detail or error.reason.type):
        return HomeAssistantError(translation_domain=DOMAIN, translation_key="command_refused_without_reason")
    return HomeAssistantError(
        translation_domain=DOMAIN, translation_key="command_refused", translation_placeholders={"reason": reason}
    )


def create_refresh_error(error: RelayError) -> HomeAssistantError:
    """Create the error for a failed refresh."""
    if isinstance(error, TooManyRequestsError):
        return HomeAssistantError(translation_domain=DOMAIN, translation_key="refreshed_lately")
    return HomeAssistantError(translation_domain=DOMAIN, translation_key=get_translation_key(error))


def create_relink_error(error: RelayError) -> HomeAssistantError:
    """Create the error for a page that the relay didn't create."""
    if isinstance(error, NotBrokenError):
        return HomeAssistantError(translation_domain=DOMAIN, translation_key="not_broken")
    return HomeAssistantError(translation_domain=DOMAIN, translation_key=get_translation_key(error))
