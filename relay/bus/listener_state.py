"""The connection state of a wake-up listener. While no hints arrive, it polls for all users every second."""

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
    """How often to test the connection, how long a test may take, and how often to poll while no hints arrive."""

    test_interval: timedelta = timedelta(seconds=30)
    test_timeout: timedelta = timedelta(seconds=3)
    poll_interval: timedelta = timedelta(seconds=1)


class ListenerState:
    """The connection state of one listener. It passes hints to the wakers and logs each change of state once."""

    def __init__(self, wakers: Sequence[Waker], timings: ListenerTimings, *, transport: str, failure_hint: str) -> None:
        self.status: ListenerStatus = "starting"
        self._wakers = {waker.channel: waker for waker in wakers}
        self._timings = timings
        self._transport = transport
        self._failure_hint = failure_hint

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels to listen on."""
        return SELF_TEST_CHANNEL, *self._wakers

    def receive(self, channel: str, payload: str) -> None:
        """Pass a hint on to the waker of its channel."""
        if channel in self._wakers:
            self._wakers[channel].receive(payload)

    async def poll_while_disconnected(self) -> None:
        """Until cancelled: notify the wakers of all users every `poll_interval` while the status isn't `listening`."""
        while True:
            await asyncio.sleep(self._timings.poll_interval.total_seconds())
            if self.status != "listening":
                self._notify_all()

    def set_status(self, status: ListenerStatus, cause: str = "") -> None:
        """Set the status. On a change, log it; once hints arrive again, also notify the wakers of all users."""
        if status == self.status:
            return
        self.status = status
        match status:
            case "listening":
                log.info("wake-up listener connected transport=%s", self._transport)
                self._notify_all()  # hints may have been lost before
            case "polling":
                log.warning(
                    "wake-up self-test failed, polling instead transport=%s interval_s=%.3g hint=%r",
                    self._transport,
                    self._timings.poll_interval.total_seconds(),
                    self._failure_hint,
                )
            case _:
                log.warning("wake-up connection lost, reconnecting transport=%s error=%s", self._transport, cause)

    def _notify_all(self) -> None:
        for waker in self._wakers.values():
            waker.notify(None)


def iterate_reconnect_delays() -> chain[float]:
    """Return the delays before attempts to reconnect, without an end."""
    return chain(RECONNECT_DELAYS, repeat(RECONNECT_DELAYS[-1]))
