"""When to ask again, and asking again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum

import httpx

from relay.gateways.enode.http_request import Clock, NoResponse, RequestResult, Response

TOO_MANY_REQUESTS = 429


class RetryMode(Enum):
    """Whether a request may be sent again when nobody knows what became of it."""

    ALWAYS = "doing it twice is doing it once"
    IF_NOT_PROCESSED = "only when Enode surely did not act: it could not be reached, or it answered 429"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how patiently. `deadline` bounds a whole call, waits, token and repeats included."""

    max_attempts: int = 3
    initial_delay: timedelta = timedelta(seconds=0.5)
    max_delay: timedelta = timedelta(seconds=8)
    max_retry_after: timedelta = timedelta(seconds=20)
    call_timeout: timedelta = timedelta(seconds=40)

    def find_delay(
        self, result: RequestResult, *, attempts: int, retry_mode: RetryMode, random_fraction: float
    ) -> timedelta | None:
        """How long to wait after `tries` tries ended in `outcome`; None to leave it at that.

        A Retry-After is kept to; one that is longer than we care to wait ends the tries, since asking sooner would
        only be refused again. Waits are spread by `chance` in [0, 1), so that callers do not come back together.
        """
        if attempts >= self.max_attempts or not self.is_retryable(result, retry_mode):
            return None
        wish = result.retry_after if isinstance(result, Response) else None
        if wish is None:
            doublings = min(attempts - 1, 16)  # far beyond the longest wait, far below what a timedelta can hold
            return min(self.initial_delay * float(2**doublings), self.max_delay) * (0.5 + random_fraction / 2)
        return wish + self.initial_delay * random_fraction if wish <= self.max_retry_after else None

    @staticmethod
    def is_retryable(result: RequestResult, retry_mode: RetryMode) -> bool:
        """Whether the same request could fare better, and may be sent again."""
        match result:
            case NoResponse():
                return retry_mode is RetryMode.ALWAYS or not result.may_have_acted
            case Response():
                return result.status == TOO_MANY_REQUESTS or (result.is_transient and retry_mode is RetryMode.ALWAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryingTransport:
    """The way to Enode's servers, and the patience to use it with."""

    http: httpx.AsyncClient
    clock: Clock
    policy: RetryPolicy

    def get_deadline(self) -> float:
        """The monotonic second at which a call that begins now must be over."""
        return self.clock.monotonic() + self.policy.call_timeout.total_seconds()

    async def send_with_retries(
        self,
        send_once: Callable[[], Awaitable[RequestResult]],
        *,
        retry_mode: RetryMode,
        deadline: float,
        max_attempts: int | None = None,
    ) -> RequestResult:
        """Ask until the outcome is good or final, or the tries are used up, or a wait would pass `give_up_at`."""
        policy = self.policy if max_attempts is None else replace(self.policy, max_attempts=max_attempts)
        tried = 0
        while True:
            outcome = await send_once()
            tried += 1
            wait = policy.find_delay(
                outcome, attempts=tried, retry_mode=retry_mode, random_fraction=self.clock.random_fraction()
            )
            if wait is None or self.clock.monotonic() + wait.total_seconds() >= deadline:
                return outcome
            await self.clock.sleep(wait.total_seconds())
