"""When to ask again, and asking again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum

import httpx

from relay.gateways.enode.exchange import Answer, Clock, Outcome, Silence

TOO_MANY = 429


class Repeat(Enum):
    """Whether a request may be sent again when nobody knows what became of it."""

    FREELY = "doing it twice is doing it once"
    IF_NOT_DONE = "only when Enode surely did not act: it could not be reached, or it answered 429"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how patiently. `deadline` bounds a whole call, waits, token and repeats included."""

    tries: int = 3
    first_wait: timedelta = timedelta(seconds=0.5)
    longest_wait: timedelta = timedelta(seconds=8)
    longest_retry_after: timedelta = timedelta(seconds=20)
    deadline: timedelta = timedelta(seconds=40)

    def wait(self, outcome: Outcome, *, tries: int, repeat: Repeat, chance: float) -> timedelta | None:
        """How long to wait after `tries` tries ended in `outcome`; None to leave it at that.

        A Retry-After is kept to; one that is longer than we care to wait ends the tries, since asking sooner would
        only be refused again. Waits are spread by `chance` in [0, 1), so that callers do not come back together.
        """
        if tries >= self.tries or not self.may_help(outcome, repeat):
            return None
        wish = outcome.retry_after if isinstance(outcome, Answer) else None
        if wish is None:
            doublings = min(tries - 1, 16)  # far beyond the longest wait, far below what a timedelta can hold
            return min(self.first_wait * float(2**doublings), self.longest_wait) * (0.5 + chance / 2)
        return wish + self.first_wait * chance if wish <= self.longest_retry_after else None

    @staticmethod
    def may_help(outcome: Outcome, repeat: Repeat) -> bool:
        """Whether the same request could fare better, and may be sent again."""
        match outcome:
            case Silence():
                return repeat is Repeat.FREELY or not outcome.may_have_acted
            case Answer():
                return outcome.status == TOO_MANY or (outcome.is_transient and repeat is Repeat.FREELY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """The way to Enode's servers, and the patience to use it with."""

    http: httpx.AsyncClient
    clock: Clock
    policy: RetryPolicy

    def deadline(self) -> float:
        """The monotonic second at which a call that begins now must be over."""
        return self.clock.monotonic() + self.policy.deadline.total_seconds()

    async def persist(
        self, ask: Callable[[], Awaitable[Outcome]], *, repeat: Repeat, give_up_at: float, tries: int | None = None
    ) -> Outcome:
        """Ask until the outcome is good or final, or the tries are used up, or a wait would pass `give_up_at`."""
        policy = self.policy if tries is None else replace(self.policy, tries=tries)
        tried = 0
        while True:
            outcome = await ask()
            tried += 1
            wait = policy.wait(outcome, tries=tried, repeat=repeat, chance=self.clock.chance())
            if wait is None or self.clock.monotonic() + wait.total_seconds() >= give_up_at:
                return outcome
            await self.clock.sleep(wait.total_seconds())
