"""What can go wrong with Enode, cut by what the caller can do about it.

    EnodeError
    ├── EnodeUnavailable          no answer, or the server's own failure; ask later
    ├── EnodeRateLimited          asked too often; ask again after `retry_after`
    ├── EnodeProblemError         Enode understood and said no; `problem` holds its words
    │   ├── EnodeRefused          the request does not fit the state of things (400, 409, 422 …): tell the user
    │   ├── EnodeNotFound         no such user, vehicle, action or webhook subscription (any more)
    │   └── EnodeForbidden        the client may not (403), for example its connections limit is reached
    ├── EnodeCredentialsRefused   client id or secret are wrong, or of the other environment: tell the operator
    └── EnodeProtocolError        the answer is not what Enode publishes: not JSON, wrong shape, a required id missing

Each tells by `sent` whether Enode may have acted on the request all the same: a command that failed with `sent` has an
unknown outcome, any other was surely not carried out.

The text of an error names the route, never what was put into it: no id, token, VIN or position. `problem.title` and
`problem.detail` are Enode's own words, for the person who asked, not for a log.
"""
# ruff: noqa: N818  # named by what happened, as the tree reads: `except EnodeRefused` needs no "Error" to be understood

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

_SLUG = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Enode's problem document. Its members are empty where Enode (or a proxy before it) sent none."""

    status: int
    type: str = ""
    title: str = field(default="", repr=False)
    detail: str = field(default="", repr=False)
    issues: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    @property
    def slug(self) -> str:
        """Last part of `type`, such as `not-found`; `unknown` when it has none that is safe to log."""
        tail = self.type.rpartition("/")[2]
        return tail if _SLUG.fullmatch(tail) else "unknown"


class EnodeError(Exception):
    """Anything that went wrong with Enode. `operation` is method and route, such as `GET /users/{}`."""

    def __init__(self, operation: str, message: str, *, is_outcome_unknown: bool = False) -> None:
        self.operation = operation
        self.is_outcome_unknown = is_outcome_unknown
        super().__init__(f"Enode, {operation}: {message}")


class EnodeUnavailable(EnodeError):
    """No answer came, or one that tells of the server's own failure. `cause` says which."""

    def __init__(self, operation: str, *, cause: str, is_outcome_unknown: bool) -> None:
        self.cause = cause
        super().__init__(
            operation,
            f"{cause}; {'the outcome is unknown' if is_outcome_unknown else 'nothing was done'}",
            is_outcome_unknown=is_outcome_unknown,
        )


class EnodeRateLimited(EnodeError):
    """Enode refuses for now. `retry_after` is its own wish, None when it told none."""

    def __init__(self, operation: str, *, retry_after: timedelta | None) -> None:
        self.retry_after = retry_after
        wish = "" if retry_after is None else f", again in {retry_after.total_seconds():.0f} s"
        super().__init__(operation, f"too many requests{wish}")


class EnodeProblemError(EnodeError):
    """Enode understood the request and said no."""

    summary: ClassVar[str] = "refused"

    def __init__(self, operation: str, *, problem: Problem) -> None:
        self.problem = problem
        super().__init__(operation, f"{self.summary} (HTTP {problem.status}, {problem.slug})")


class EnodeRefused(EnodeProblemError):
    """The request does not fit the state of things: already charging, not capable, invalid input."""


class EnodeNotFound(EnodeProblemError):
    """No such thing. After a DELETE it can also mean that an earlier, unanswered try had deleted it."""

    answer = "not found"


class EnodeForbidden(EnodeProblemError):
    """The client may not do this, for example because its connections limit is reached."""

    answer = "forbidden"


class EnodeCredentialsRefused(EnodeError):
    """Enode does not accept the client id and secret."""

    def __init__(self, operation: str, *, status: int) -> None:
        self.status = status
        super().__init__(operation, f"the client credentials are refused (HTTP {status})")


class EnodeProtocolError(EnodeError):
    """The answer is not what Enode publishes. `fault` says what is wrong with it."""

    def __init__(self, operation: str, *, fault: str, is_outcome_unknown: bool = True) -> None:
        self.fault = fault
        super().__init__(operation, f"the answer is not understood: {fault}", is_outcome_unknown=is_outcome_unknown)
