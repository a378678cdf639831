"""What can go wrong between us and the relay, told apart by what the caller can do about it.

::

    RelayError                     the relay made a mistake, or we did
    ├── UnauthorizedError          the credential is unknown or revoked: ask its owner for another
    ├── ForbiddenError             the credential may not do this: another one may
    │   └── PlanRequiredError      nobody on this plan may: do without
    ├── UnsupportedRelayError      no relay, or none that speaks v2: ask for another address
    ├── NotFoundError              nothing of ours goes by this id (any more): forget it
    ├── EndpointRefusedError       the relay will not POST to this address: offer another one
    ├── NotBrokenError             there is nothing to link again: it works
    ├── CommandRefusedError        the car will not: tell the user its reason
    └── TryAgainError              not now: come back, not before `retry_after`
        ├── AccountDisabledError   the operator has switched the account off: no credential opens it meanwhile
        ├── TooManyRequestsError   asked too often
        ├── QuotaExhaustedError    the month's calls are spent
        ├── EnodeUnavailableError  Enode does not answer the relay; a command may have reached it all the same
        └── RelayConnectionError   the relay does not answer us; what we asked may have been done all the same

No message holds a credential, a VIN or a position.
"""

from datetime import timedelta

from .models import Command, Reason


class RelayError(Exception):
    """Base of all; raised itself when the relay (or we) made a mistake."""


class UnauthorizedError(RelayError):
    """The credential is unknown or revoked."""


class ForbiddenError(RelayError):
    """The credential is known, but may not do this."""


class PlanRequiredError(ForbiddenError):
    """The account's plan does not include this."""


class UnsupportedRelayError(RelayError):
    """What answers is no relay, or not one that we understand."""


class NotFoundError(RelayError):
    """Unknown, or somebody else's: the relay does not tell the two apart."""


class EndpointRefusedError(RelayError):
    """The relay does not POST to such an address."""


class NotBrokenError(RelayError):
    """The car is linked and in order: there is nothing to link again."""


class CommandRefusedError(RelayError):
    """The car, its maker, or Enode refuses; `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"refused: {reason.type or 'no reason given'}")
        self.reason = reason


class TryAgainError(RelayError):
    """It may work later; `retry_after` is the relay's own wish, None when it told none."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AccountDisabledError(TryAgainError):
    """The relay's operator has switched the account off. The credential is as good as before."""


class TooManyRequestsError(TryAgainError):
    """The same was asked just now."""


class QuotaExhaustedError(TryAgainError):
    """The account's calls are used up until the month turns or more are bought."""


class EnodeUnavailableError(TryAgainError):
    """Enode does not answer the relay. `command` is there when one was on its way: its outcome is open."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None, command: Command | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.command = command


class RelayConnectionError(TryAgainError):
    """No answer, half an answer, or a gateway that answers in the relay's place. Outcome unknown."""
