"""Each error of the client has the translation that tells the user what to do about it."""

import pytest
from homeassistant.exceptions import HomeAssistantError

from custom_components.evconduit.client import (
    AccountDisabledError,
    CertificateChangedError,
    CertificateError,
    CommandReason,
    CommandRefusedError,
    EndpointRefusedError,
    EnodeUnavailableError,
    ForbiddenError,
    NotBrokenError,
    NotFoundError,
    NoTlsError,
    PlanRequiredError,
    QuotaExhaustedError,
    RedirectedError,
    RelayConnectionError,
    RelayError,
    TooManyRequestsError,
    TryAgainError,
    UnauthorizedError,
    UnsupportedRelayError,
    VehicleLimitError,
)
from custom_components.evconduit.error_messages import (
    create_command_error,
    create_refresh_error,
    create_relink_error,
    get_translation_key,
)
from custom_components.evconduit.relay_search import ERROR_KEYS

ROWS = [
    (UnauthorizedError("x"), "invalid_auth", "invalid_auth"),
    (ForbiddenError("x"), "not_allowed", "invalid_auth"),
    (PlanRequiredError("x"), "plan_required", "invalid_auth"),
    (AccountDisabledError("x"), "account_disabled", "account_disabled"),
    (UnsupportedRelayError("x"), "unsupported_relay", "unsupported_relay"),
    (NotFoundError("x"), "vehicle_gone", "unknown"),
    (QuotaExhaustedError("x"), "quota_exhausted", "cannot_connect"),
    (EnodeUnavailableError("x"), "enode_unavailable", "cannot_connect"),
    (TooManyRequestsError("x"), "cannot_connect", "cannot_connect"),
    (RelayConnectionError("x"), "cannot_connect", "cannot_connect"),
    (CertificateError("x"), "invalid_certificate", "invalid_certificate"),
    (CertificateChangedError("x"), "certificate_changed", "invalid_certificate"),
    (VehicleLimitError("x"), "not_allowed", "invalid_auth"),
    (NoTlsError("x"), "no_tls", "no_tls"),
    (RedirectedError(301, None), "unsupported_relay", "redirected"),
    (TryAgainError("x"), "cannot_connect", "cannot_connect"),
    (EndpointRefusedError("x"), "relay_error", "unknown"),
    (NotBrokenError("x"), "relay_error", "unknown"),
    (RelayError("x"), "relay_error", "unknown"),
]


def get_translation(error: HomeAssistantError) -> tuple[str | None, str | None, dict[str, str] | None]:
    return error.translation_domain, error.translation_key, error.translation_placeholders


@pytest.mark.parametrize(("error", "key", "_flow_key"), ROWS, ids=lambda value: type(value).__name__)
def test_error_has_its_translation(error: RelayError, key: str, _flow_key: str):
    assert get_translation_key(error) == key
    assert get_translation(create_command_error(error)) == ("evconduit", key, None)
    expected = "refreshed_lately" if isinstance(error, TooManyRequestsError) else key
    assert get_translation(create_refresh_error(error)) == ("evconduit", expected, None)
    expected = "not_broken" if isinstance(error, NotBrokenError) else key
    assert get_translation(create_relink_error(error)) == ("evconduit", expected, None)


@pytest.mark.parametrize(("error", "_key", "flow_key"), ROWS, ids=lambda value: type(value).__name__)
def test_error_has_its_text_in_the_config_flow(error: RelayError, _key: str, flow_key: str):
    assert next(key for type_, key in ERROR_KEYS if isinstance(error, type_)) == flow_key


@pytest.mark.parametrize(
    ("type_", "detail", "key", "placeholders"),
    [
        ("CONFLICT", "Not plugged in.", "command_refused", {"reason": "Not plugged in."}),
        (None, "Not plugged in.", "command_refused", {"reason": "Not plugged in."}),
        ("NO_RESPONSE", None, "command_refused", {"reason": "NO_RESPONSE"}),
        (None, None, "command_refused_without_reason", None),
    ],
)
def test_refused_command_has_the_reason(
    type_: str | None, detail: str | None, key: str, placeholders: dict[str, str] | None
):
    error = CommandRefusedError(CommandReason(type=type_, detail=detail))
    assert get_translation(create_command_error(error)) == ("evconduit", key, placeholders)


@pytest.mark.parametrize(
    ("type_", "text"), [("CONFLICT", "command refused: CONFLICT"), (None, "command refused: no reason given")]
)
def test_text_of_a_refused_command_has_no_detail(type_: str | None, text: str):
    assert str(CommandRefusedError(CommandReason(type=type_, detail="The VIN is KNA."))) == text
