"""The relay's event stream: the channel that delivers changes as they happen."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing, suppress
from datetime import timedelta
from typing import Final

from homeassistant.core import callback

from .client import (
    CertificateChangedError,
    ForbiddenError,
    Message,
    PlanRequiredError,
    ReceivedMessage,
    RelayError,
    RelayStream,
    Snapshot,
    StreamClosed,
    UnauthorizedError,
)
from .const import DOMAIN, LOGGER
from .coordinator import AccountCoordinator

FIRST_SNAPSHOT_TIMEOUT: Final = timedelta(seconds=10)


class StreamChannel:
    """Keeps the stream open while the plan includes it and the credential is valid."""

    def __init__(
        self,
        coordinator: AccountCoordinator,
        *,
        on_connect: Callable[[], None],
        on_disconnect: Callable[[], None],
        on_message: Callable[[Message, str | None, int], None],
    ) -> None:
        """Call `on_connect` before each snapshot (first message of a connection), `on_disconnect` when it is lost.

        The last argument of `on_message` is the coordinator's mark from before the connection was opened.
        """
        self._coordinator = coordinator
        self._hass = coordinator.hass
        self._entry = coordinator.config_entry
        self._stream = RelayStream(coordinator.client, on_open=self._async_mark_request)
        self._since = 0
        self._on_connect = on_connect
        self._on_disconnect = on_disconnect
        self._on_message = on_message
        self._is_enabled = asyncio.Event()
        self._has_answered = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.received: Counter[str] = Counter()
        """Number of messages by type, for diagnostics."""

    @property
    def has_answered(self) -> bool:
        """Whether the relay has accepted or refused the stream at least once."""
        return self._has_answered.is_set()

    @callback
    def async_set_cursor(self, cursor: str | None) -> None:
        """Resume the next connection after `cursor`, which the other channel may have advanced."""
        self._stream.cursor = cursor

    @callback
    def async_start(self) -> None:
        """Start connecting as soon as the plan includes the stream."""
        self._task = self._entry.async_create_background_task(self._hass, self._async_run(), f"{DOMAIN} stream")

    async def async_stop(self) -> None:
        """Close the stream."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    @callback
    def async_enable(self) -> None:
        """Allow connecting: the plan includes the stream."""
        self._is_enabled.set()

    async def async_wait_for_snapshot(self) -> bool:
        """Wait for the first snapshot. Return False when the stream is refused or nothing arrives in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_SNAPSHOT_TIMEOUT.total_seconds()):
                await self._has_answered.wait()
        return self._coordinator.is_streaming

    async def _async_run(self) -> None:
        """Receive messages until the credential is refused."""
        while True:
            await self._is_enabled.wait()
            try:
                async with aclosing(self._stream.iter_events()) as events:
                    async for event in events:
                        self._async_handle_event(event)
            except PlanRequiredError as err:
                self._is_enabled.clear()  # until the relay sends an account whose plan includes the stream
                self._async_handle_refusal(err)
            except (UnauthorizedError, ForbiddenError) as err:
                self._async_handle_refusal(err)
                self._entry.async_start_reauth(self._hass)
                return

    @callback
    def _async_mark_request(self) -> None:
        self._since = self._coordinator.async_mark_request()

    @callback
    def _async_handle_event(self, event: ReceivedMessage | StreamClosed) -> None:
        try:
            match event:
                case StreamClosed(error=error):
                    self._async_set_disconnected(error)
                    if isinstance(error, CertificateChangedError):
                        self._entry.async_start_reauth(self._hass)
                case ReceivedMessage(message=message, cursor=cursor):
                    self.received[type(message).__name__] += 1
                    if isinstance(message, Snapshot):
                        self._async_set_connected()
                    self._on_message(message, cursor, self._since)
        except Exception:  # noqa: BLE001 - logged; a bug that one message triggers must not lose the messages after it
            LOGGER.exception("Failed to apply a message from the stream")

    @callback
    def _async_set_connected(self) -> None:
        if not self._coordinator.is_streaming:
            LOGGER.info("Connected to the relay's stream")
        self._coordinator.is_streaming = True
        self._on_connect()
        self._has_answered.set()

    @callback
    def _async_set_disconnected(self, error: RelayError) -> None:
        if self._coordinator.is_streaming:
            LOGGER.info("Disconnected from the relay's stream: %s", error)
            self._coordinator.is_streaming = False
            self._on_disconnect()

    @callback
    def _async_handle_refusal(self, error: RelayError) -> None:
        self._has_answered.set()
        self._async_set_disconnected(error)
