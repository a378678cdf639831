"""Security events: what an operator should notice, as log lines with stable names.

Each line is `security event=<name> key=value …`, on the level warning; what isn't unusual is on the level info. The
names never change, so that an operator's alerts keep working. docs/operating.md lists them; a test compares it with
this table.
"""

import logging
from enum import StrEnum

log = logging.getLogger(__name__)


class SecurityEvent(StrEnum):
    """The names of all security events."""

    REFRESH_TOKEN_REUSED = "refresh_token_reused"  # noqa: S105 - a name
    AUTHORIZATION_CODE_REUSED = "authorization_code_reused"
    REVOKED_CREDENTIAL_USED = "revoked_credential_used"
    INTERNAL_KEY_FAILURES = "internal_key_failures"
    FORM_TOKEN_REFUSED = "form_token_refused"  # noqa: S105 - a name
    WEBHOOK_SIGNATURE_REFUSED = "webhook_signature_refused"
    INGRESS_REFUSED = "ingress_refused"
    SIGNED_IN = "signed_in"


ROUTINE_EVENTS = frozenset({SecurityEvent.SIGNED_IN})
"""Events that are part of ordinary use: an operator reads them after something happened, but isn't alerted."""


def log_security_event(event: SecurityEvent, **fields: object) -> None:
    """Log the event. `fields` hold ids and counts only: no secret, no address and no name."""
    details = "".join(f" {name}={value}" for name, value in fields.items())
    level = logging.INFO if event in ROUTINE_EVENTS else logging.WARNING
    log.log(level, "security event=%s%s", event, details)
