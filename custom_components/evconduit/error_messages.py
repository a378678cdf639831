"""Translation keys and HomeAssistantErrors for the errors of the relay client."""

from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryNotReady, HomeAssistantError

from .client import (
    AccountDisabledError,
    CertificateChangedError,
    CertificateError,
    CommandRefusedError,
    EnodeUnavailableError,
    ForbiddenError,
    HomeRequiredError,
    NotBrokenError,
    NotFoundError,
    NoTlsError,
    NotSentError,
    PlanRequiredError,
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
    (PlanRequiredError, "plan_required"),
    (ForbiddenError, "not_allowed"),
    (AccountDisabledError, "account_disabled"),
    (UnsupportedRelayError, "unsupported_relay"),
    (NotFoundError, "vehicle_gone"),
    (HomeRequiredError, "home_required"),
    (NotSentError, "command_not_sent"),
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


def needs_credential(error: RelayError) -> bool:
    """Return whether only the user's consent helps: another credential, or trust in a changed certificate.

    Consent doesn't help against a plan that lacks something.
    """
    return isinstance(error, UnauthorizedError | ForbiddenError | CertificateChangedError) and not isinstance(
        error, PlanRequiredError
    )


def create_setup_error(error: RelayError) -> ConfigEntryAuthFailed | ConfigEntryNotReady:
    """Create the error for a failed setup."""
    key = get_translation_key(error)
    if needs_credential(error):
        return ConfigEntryAuthFailed(translation_domain=DOMAIN, translation_key=key)
    return ConfigEntryNotReady(translation_domain=DOMAIN, translation_key=key)


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
