"""Errors of the relay client, one class for each thing that the caller can do about it.

::

    RelayError                     a bug in the relay or in this client
    ├── UnauthorizedError          the credential is unknown or revoked: request another one
    ├── ForbiddenError             the credential lacks the permission: another one may have it
    │   ├── PlanRequiredError      the plan doesn't include this: continue without it
    │   └── VehicleLimitError      the plan has no room for another vehicle: unlink one, or change the plan
    ├── UnsupportedRelayError      not a relay, or one without API v2: request another address
    │   └── RedirectedError        the server refers to another address: use that one
    ├── NotFoundError              the account has nothing with this id (any more): remove it
    ├── EndpointRefusedError       the relay won't POST to this address: register another one
    ├── NotBrokenError             the link works: nothing to repair
    ├── HomeRequiredError          the account has no home location: set one
    ├── CommandRefusedError        the vehicle refused: show its reason
    └── TryAgainError              temporary: retry, not before `retry_after`
        ├── AccountDisabledError   the operator disabled the account: no credential works until it is enabled
        ├── NotSentError           Enode hasn't accepted the command yet, so it can't be cancelled
        ├── TooManyRequestsError   the rate limit is reached
        ├── QuotaExhaustedError    this month's allowance is used up
        ├── EnodeUnavailableError  Enode doesn't answer the relay; a command may have reached it nevertheless
        └── RelayConnectionError   the relay doesn't answer; the request may have been carried out nevertheless
            ├── CertificateError   the server's certificate isn't trusted: request consent, or another address
            │   └── CertificateChangedError   it isn't the one that the user trusts: request consent again
            └── NoTlsError         the server doesn't use TLS: request an address without it

No message contains a credential, a VIN or a position.
"""

from datetime import timedelta

from yarl import URL

from .models import Command, CommandReason


class RelayError(Exception):
    """Base class; raised itself for a bug in the relay or in this client.

    `is_invalid_request`: the relay doesn't accept a value. It's no bug if a user entered that.
    """

    is_invalid_request = False


class UnauthorizedError(RelayError):
    """The credential is unknown or revoked."""


class ForbiddenError(RelayError):
    """The credential is valid but lacks the permission."""


class PlanRequiredError(ForbiddenError):
    """The account's plan doesn't include this."""


class VehicleLimitError(ForbiddenError):
    """The account's plan has no room for another vehicle."""


class UnsupportedRelayError(RelayError):
    """The server is not a relay, or not one that this client understands."""


class RedirectedError(UnsupportedRelayError):
    """The server redirects to `location`, None if it doesn't say where. Only raised when looking for a relay.

    Other requests have a credential, for which a redirect is not followed.
    """

    def __init__(self, status: int, location: URL | None) -> None:
        super().__init__(f"not a relay (status {status})")
        self.location = location


class NotFoundError(RelayError):
    """The id is unknown or belongs to another account: the relay doesn't distinguish the two."""


class EndpointRefusedError(RelayError):
    """The relay doesn't POST to such an address."""


class NotBrokenError(RelayError):
    """The vehicle's link works: there is nothing to link again."""


class HomeRequiredError(RelayError):
    """Smart charging needs a home location, and the account has none."""


class CommandRefusedError(RelayError):
    """The vehicle, its vendor or Enode refused the command; `reason` says why."""

    def __init__(self, reason: CommandReason) -> None:
        super().__init__(f"command refused: {reason.type or 'no reason given'}")
        self.reason = reason


class TryAgainError(RelayError):
    """A temporary error. `retry_after` is the delay that the relay requests, None if it doesn't request one."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AccountDisabledError(TryAgainError):
    """The relay's operator disabled the account. The credential itself is still valid."""


class NotSentError(TryAgainError):
    """Enode hasn't accepted the command yet, so that there is nothing to cancel."""


class TooManyRequestsError(TryAgainError):
    """The rate limit for this request is reached."""


class QuotaExhaustedError(TryAgainError):
    """The account's allowance is used up until it resets or call tokens are bought."""


class EnodeUnavailableError(TryAgainError):
    """Enode doesn't answer the relay. `command` is set if one was being sent: its outcome is open."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None, command: Command | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.command = command


class RelayConnectionError(TryAgainError):
    """No answer, an incomplete one, or one from a gateway in place of the relay. The outcome is unknown."""


class CertificateError(RelayConnectionError):
    """The server's certificate isn't trusted: self-signed, expired, or issued for another name.

    `relay_url`: the address that the certificate is for. Only set when looking for a relay, which follows redirects.
    """

    relay_url: str | None = None


class CertificateChangedError(CertificateError):
    """The server's certificate isn't the one that the user trusts."""


class NoTlsError(RelayConnectionError):
    """The server doesn't use TLS although the address begins with https."""
