"""The relay client's errors in Home Assistant's terms: each has one translated sentence."""

from homeassistant.exceptions import HomeAssistantError

from .client import (
    AccountDisabledError,
    CommandRefusedError,
    EnodeUnavailableError,
    ForbiddenError,
    NotFoundError,
    QuotaExhaustedError,
    RelayError,
    TooManyRequestsError,
    TryAgainError,
    UnauthorizedError,
    UnsupportedRelayError,
)
from .const import DOMAIN

# From the particular to the general: the first class that fits speaks.
TRANSLATION_KEYS: tuple[tuple[type[RelayError], str], ...] = (
    (UnauthorizedError, "invalid_auth"),
    (ForbiddenError, "not_allowed"),
    (AccountDisabledError, "account_disabled"),
    (UnsupportedRelayError, "unsupported_relay"),
    (NotFoundError, "vehicle_gone"),
    (QuotaExhaustedError, "quota_exhausted"),
    (EnodeUnavailableError, "enode_unavailable"),
    (TryAgainError, "cannot_connect"),
    (RelayError, "relay_error"),
)


def get_translation_key(error: RelayError) -> str:
    """The translation key, under `exceptions`, of what went wrong."""
    return next(key for kind, key in TRANSLATION_KEYS if isinstance(error, kind))


def create_command_error(error: RelayError) -> HomeAssistantError:
    """What a user is told whose command did not go through."""
    if not isinstance(error, CommandRefusedError):
        return HomeAssistantError(translation_domain=DOMAIN, translation_key=get_translation_key(error))
    if not (reason := error.reason.detail or error.reason.type):
        return HomeAssistantError(translation_domain=DOMAIN, translation_key="command_refused_without_reason")
    return HomeAssistantError(
        translation_domain=DOMAIN, translation_key="command_refused", translation_placeholders={"reason": reason}
    )


def create_refresh_error(error: RelayError) -> HomeAssistantError:
    """What a user is told who asked for news in vain."""
    if isinstance(error, TooManyRequestsError):
        return HomeAssistantError(translation_domain=DOMAIN, translation_key="refreshed_lately")
    return HomeAssistantError(translation_domain=DOMAIN, translation_key=get_translation_key(error))
