"""Whether hints of other processes arrive here. While they do not, this process looks at everything every second."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, repeat
from typing import Literal

from relay.bus.waker import Waker

log = logging.getLogger(__name__)

SELF_TEST_CHANNEL = "evconduit_self_test"
RECONNECT_DELAYS = (0.2, 0.5, 1, 2, 5, 10)
"""Seconds before each attempt to reconnect; the last one repeats."""

type ListenerStatus = Literal["starting", "listening", "polling", "reconnecting"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListenerTimings:
    """How often to test the connection, how long the test may take, how often to look while hints do not come."""

    test_interval: timedelta = timedelta(seconds=30)
    test_timeout: timedelta = timedelta(seconds=3)
    poll_interval: timedelta = timedelta(seconds=1)


class ListenerState:
    """The state of one listener, what follows from it for its wakers, and what the operator is told of it, once."""

    def __init__(self, wakers: Sequence[Waker], timings: ListenerTimings, *, transport: str, failure_hint: str) -> None:
        self.status: ListenerStatus = "starting"
        self._wakers = {waker.channel: waker for waker in wakers}
        self._times = timings
        self._through = transport
        self._suspect = failure_hint

    @property
    def channels(self) -> tuple[str, ...]:
        """What to listen for."""
        return SELF_TEST_CHANNEL, *self._wakers

    def receive(self, channel: str, payload: str) -> None:
        """A hint has arrived."""
        if payload and channel in self._wakers:
            self._wakers[channel].receive(payload)

    async def poll_while_disconnected(self) -> None:
        """Hint at everybody every second for as long as nothing proves that hints arrive. Until cancelled."""
        while True:
            await asyncio.sleep(self._times.poll_interval.total_seconds())
            if self.status != "listening":
                self._notify_all()

    def set_status(self, status: ListenerStatus, cause: str = "") -> None:
        """The state has changed, or not."""
        if status == self.status:
            return
        self.status = status
        match status:
            case "listening":
                log.info("wake-ups arrive through %s", self._through)
                self._notify_all()  # of what was said while nobody listened
            case "polling":
                every = self._times.poll_interval.total_seconds()
                log.warning(
                    "wake-ups do not arrive through %s (%s): looking every %.3g s instead",
                    self._through,
                    self._suspect,
                    every,
                )
            case _:
                log.warning("the connection for wake-ups is lost (%s): connecting again", cause)

    def _notify_all(self) -> None:
        for waker in self._wakers.values():
            waker.notify(None)


def iterate_reconnect_delays() -> chain[float]:
    """Waits between attempts to connect, without an end."""
    return chain(RECONNECT_DELAYS, repeat(RECONNECT_DELAYS[-1]))
