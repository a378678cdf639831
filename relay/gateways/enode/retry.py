"""The retry policy, and a transport that applies it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum

import httpx

from relay.gateways.enode.http_request import Clock, NoResponse, RequestResult, Response

TOO_MANY_REQUESTS = 429


class RetryMode(Enum):
    """Whether a request with an unknown outcome may be sent again."""

    ALWAYS = "the request is idempotent"
    IF_NOT_PROCESSED = "only if Enode certainly did not act: it could not be reached, or it answered 429"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Attempts and delays. `call_timeout` limits a whole call, including delays, retries and the access token."""

    max_attempts: int = 3
    initial_delay: timedelta = timedelta(seconds=0.5)
    max_delay: timedelta = timedelta(seconds=8)
    max_retry_after: timedelta = timedelta(seconds=20)
    call_timeout: timedelta = timedelta(seconds=40)

    def find_delay(
        self, result: RequestResult, *, attempts: int, retry_mode: RetryMode, random_fraction: float
    ) -> timedelta | None:
        """Return the delay before the next attempt after `attempts` of them; None if there is to be no other.

        A Retry-After is honoured. If it exceeds `max_retry_after`, there is no retry: an earlier one would be refused
        as well. `random_fraction` in [0, 1) adds jitter, so that callers do not retry at the same time.
        """
        if attempts >= self.max_attempts or not self.is_retryable(result, retry_mode):
            return None
        retry_after = result.retry_after if isinstance(result, Response) else None
        if retry_after is None:
            doublings = min(attempts - 1, 16)  # beyond max_delay, and within the range of timedelta
            return min(self.initial_delay * float(2**doublings), self.max_delay) * (0.5 + random_fraction / 2)
        return retry_after + self.initial_delay * random_fraction if retry_after <= self.max_retry_after else None

    @staticmethod
    def is_retryable(result: RequestResult, retry_mode: RetryMode) -> bool:
        """Return whether the same request could succeed later and may be sent again."""
        match result:
            case NoResponse():
                return retry_mode is RetryMode.ALWAYS or not result.may_have_acted
            case Response():
                return result.status == TOO_MANY_REQUESTS or (result.is_transient and retry_mode is RetryMode.ALWAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryingTransport:
    """An HTTP client for Enode's servers, with a retry policy."""

    http: httpx.AsyncClient
    clock: Clock
    policy: RetryPolicy

    def get_deadline(self) -> float:
        """Return the monotonic second by which a call that starts now must have ended."""
        return self.clock.monotonic() + self.policy.call_timeout.total_seconds()

    async def send_with_retries(
        self,
        send_once: Callable[[], Awaitable[RequestResult]],
        *,
        retry_mode: RetryMode,
        deadline: float,
        max_attempts: int | None = None,
    ) -> RequestResult:
        """Send until the result is final, the attempts are used up, or the next delay would pass `deadline`."""
        policy = self.policy if max_attempts is None else replace(self.policy, max_attempts=max_attempts)
        attempts = 0
        while True:
            result = await send_once()
            attempts += 1
            delay = policy.find_delay(
                result, attempts=attempts, retry_mode=retry_mode, random_fraction=self.clock.random_fraction()
            )
            if delay is None or self.clock.monotonic() + delay.total_seconds() >= deadline:
                return result
            await self.clock.sleep(delay.total_seconds())
