"""Whether hints of other processes arrive here. While they do not, this process looks at everything every second."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, repeat
from typing import Literal

from relay.delivery.wake import Waker

log = logging.getLogger(__name__)

SELF_TEST = "evconduit_self_test"
PAUSES = (0.2, 0.5, 1, 2, 5, 10)
"""Seconds before each attempt to reconnect; the last one repeats."""

type Status = Literal["starting", "listening", "polling", "reconnecting"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListenTimes:
    """How often to test the connection, how long the test may take, how often to look while hints do not come."""

    test_every: timedelta = timedelta(seconds=30)
    answer_within: timedelta = timedelta(seconds=3)
    poll_every: timedelta = timedelta(seconds=1)


class Hearing:
    """The state of one listener, what follows from it for its wakers, and what the operator is told of it, once."""

    def __init__(self, wakers: Sequence[Waker], times: ListenTimes, *, through: str, suspect: str) -> None:
        self.status: Status = "starting"
        self._wakers = {waker.channel: waker for waker in wakers}
        self._times = times
        self._through = through
        self._suspect = suspect

    @property
    def channels(self) -> tuple[str, ...]:
        """What to listen for."""
        return SELF_TEST, *self._wakers

    def hear(self, channel: str, payload: str) -> None:
        """A hint has arrived."""
        if payload and channel in self._wakers:
            self._wakers[channel].hear(payload)

    async def poll_while_deaf(self) -> None:
        """Hint at everybody every second for as long as nothing proves that hints arrive. Until cancelled."""
        while True:
            await asyncio.sleep(self._times.poll_every.total_seconds())
            if self.status != "listening":
                self._hint_at_everybody()

    def become(self, status: Status, cause: str = "") -> None:
        """The state has changed, or not."""
        if status == self.status:
            return
        self.status = status
        match status:
            case "listening":
                log.info("wake-ups arrive through %s", self._through)
                self._hint_at_everybody()  # of what was said while nobody listened
            case "polling":
                every = self._times.poll_every.total_seconds()
                log.warning(
                    "wake-ups do not arrive through %s (%s): looking every %.3g s instead",
                    self._through,
                    self._suspect,
                    every,
                )
            case _:
                log.warning("the connection for wake-ups is lost (%s): connecting again", cause)

    def _hint_at_everybody(self) -> None:
        for waker in self._wakers.values():
            waker.tell(None)


def pauses() -> chain[float]:
    """Waits between attempts to connect, without an end."""
    return chain(PAUSES, repeat(PAUSES[-1]))
