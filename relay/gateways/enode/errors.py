"""The errors of Enode's client, divided by what the caller can do about them.

    EnodeError
    ├── EnodeUnavailable          no response, or the server's own failure: retry later
    ├── EnodeRateLimited          too many requests: retry after `retry_after`
    ├── EnodeProblemError         Enode refused the request; `problem` is its problem document
    │   ├── EnodeRefused          the request is invalid in the current state (400, 409, 422 …): show it to the user
    │   ├── EnodeNotFound         no such user, vehicle, action or webhook subscription, or it was deleted
    │   └── EnodeForbidden        the client has no permission (403), for example its connections limit is reached
    ├── EnodeCredentialsRefused   client id or secret are wrong, or of the other environment: alert the operator
    └── EnodeProtocolError        the response does not match Enode's API: not JSON, wrong shape, a required id missing

`is_outcome_unknown` says whether Enode may have acted on the request despite the error. If it is False, the command was
not carried out.

An error's text contains the route but never its parameters: no id, token, VIN or position. `problem.title` and
`problem.detail` are Enode's own texts; show them to the user, don't log them.
"""
# ruff: noqa: N818  # `except EnodeRefused` reads well without the suffix "Error"

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

_SLUG = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnodeProblem:
    """Enode's problem document. Its members are empty if Enode, or a proxy in front of it, sent none."""

    status: int
    type: str = ""
    title: str = field(default="", repr=False)
    detail: str = field(default="", repr=False)
    issues: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    @property
    def slug(self) -> str:
        """The last segment of `type`, such as `not-found`; `unknown` if there is none that is safe to log."""
        slug = self.type.rpartition("/")[2]
        return slug if _SLUG.fullmatch(slug) else "unknown"


class EnodeError(Exception):
    """A call to Enode failed. `operation` is method and route, such as `GET /users/{}`."""

    def __init__(self, operation: str, message: str, *, is_outcome_unknown: bool = False) -> None:
        self.operation = operation
        self.is_outcome_unknown = is_outcome_unknown
        super().__init__(f"Enode, {operation}: {message}")


class EnodeUnavailable(EnodeError):
    """Enode did not respond, or responded with a failure of its own. `cause` says which."""

    def __init__(self, operation: str, *, cause: str, is_outcome_unknown: bool) -> None:
        self.cause = cause
        super().__init__(
            operation,
            f"{cause}; {'the outcome is unknown' if is_outcome_unknown else 'nothing was done'}",
            is_outcome_unknown=is_outcome_unknown,
        )


class EnodeRateLimited(EnodeError):
    """Too many requests. `retry_after` is from Enode's Retry-After header, None without one."""

    def __init__(self, operation: str, *, retry_after: timedelta | None) -> None:
        self.retry_after = retry_after
        advice = "" if retry_after is None else f", retry after {retry_after.total_seconds():.0f} s"
        super().__init__(operation, f"too many requests{advice}")


class EnodeProblemError(EnodeError):
    """Enode understood the request and refused it."""

    summary: ClassVar[str] = "refused"

    def __init__(self, operation: str, *, problem: EnodeProblem) -> None:
        self.problem = problem
        super().__init__(operation, f"{self.summary} (HTTP {problem.status}, {problem.slug})")


class EnodeRefused(EnodeProblemError):
    """The request is invalid in the current state: already charging, not capable, invalid input."""


class EnodeNotFound(EnodeProblemError):
    """No such resource. After a DELETE it can also mean that an earlier attempt without a response deleted it."""

    summary = "not found"


class EnodeForbidden(EnodeProblemError):
    """The client has no permission, for example because its connections limit is reached."""

    summary = "forbidden"


class EnodeCredentialsRefused(EnodeError):
    """Enode does not accept the client id and secret."""

    def __init__(self, operation: str, *, status: int) -> None:
        self.status = status
        super().__init__(operation, f"the client credentials are refused (HTTP {status})")


class EnodeProtocolError(EnodeError):
    """The response does not match Enode's published API. `fault` says how."""

    def __init__(self, operation: str, *, fault: str, is_outcome_unknown: bool = True) -> None:
        self.fault = fault
        super().__init__(operation, f"unexpected response: {fault}", is_outcome_unknown=is_outcome_unknown)
