"""Polling: requests all vehicles while no stream delivers changes."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryNotReady
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.update_coordinator import UpdateFailed

from .client import Account, QuotaExhaustedError, RelayError
from .const import DOMAIN, LOGGER
from .coordinator import AccountCoordinator
from .error_messages import get_translation_key, needs_credential
from .poll_intervals import OUTAGE_POLL_INTERVAL, get_poll_interval, get_retry_interval, get_server_delay

OUTAGE_POLL_DELAY = timedelta(minutes=2)
"""How long the stream may be down before polling starts."""


class Poller:
    """Sets the coordinator's update interval and provides its update method.

    Each poll costs one call of the account's allowance, so `next_poll_at` is stored and survives a restart.
    """

    def __init__(self, coordinator: AccountCoordinator, on_schedule: Callable[[], None]) -> None:
        """Call `on_schedule` each time `next_poll_at` is set, to store it."""
        self._coordinator = coordinator
        self._hass = coordinator.hass
        self._clock = coordinator.client.clock
        self._on_schedule = on_schedule
        self._cancel_start: CALLBACK_TYPE | None = None
        self._failed_polls = 0
        self._quota_delay: timedelta | None = None
        self._is_stopped = False
        self.next_poll_at: datetime | None = None
        """By the relay's clock."""

    async def async_first_refresh(self) -> None:
        """Request the vehicles during setup.

        When the allowance is used up, setup succeeds without vehicles; they are added by a later poll. Raises
        ConfigEntryNotReady and ConfigEntryAuthFailed.
        """
        try:
            await self._coordinator.async_config_entry_first_refresh()
        except ConfigEntryNotReady as err:
            if self._quota_delay is None:
                raise
            LOGGER.info("Allowance used up; vehicles are added when calls are available again")
            LOGGER.debug("%s", err)
            self._coordinator.update_interval = self._quota_delay
            self._async_schedule(self._quota_delay)

    @callback
    def async_resume(self, last_contact_at: datetime | None = None) -> None:
        """Poll from now on: with push after OUTAGE_POLL_DELAY, without push when the relay requests it.

        `last_contact_at`: when the relay responded last, if not now.
        """
        self.async_cancel_start()  # a stream that is lost during setup has resumed polling already
        if self._coordinator.data.push:
            self._coordinator.availability.async_record_contact(at=last_contact_at)
            self._cancel_start = async_call_later(self._hass, OUTAGE_POLL_DELAY, self._async_start_polling)
        else:
            self._async_schedule_next(last_contact_at)
            # Starts the timer if there are listeners already.
            self._coordinator.async_set_updated_data(self._coordinator.data)

    @callback
    def async_suspend(self) -> None:
        """Stop polling: the stream delivers changes."""
        self.async_cancel_start()
        self._coordinator.update_interval = self.next_poll_at = None

    @callback
    def async_stop(self) -> None:
        """Stop polling, and ignore the result of a poll in progress."""
        self._is_stopped = True
        self.async_cancel_start()

    @callback
    def async_cancel_start(self) -> None:
        """Cancel the delayed start."""
        if self._cancel_start is not None:
            self._cancel_start()
            self._cancel_start = None

    async def async_poll(self) -> Account:
        """Request all vehicles: the coordinator's update method. Raises ConfigEntryAuthFailed and UpdateFailed."""
        coordinator = self._coordinator
        since = coordinator.async_mark_request()
        try:
            snapshot = await coordinator.client.get_snapshot(coordinator.get_position(), coordinator.cursor)
        except RelayError as err:
            if self._is_stopped:
                return coordinator.data
            raise self._async_handle_failure(err) from err
        self._quota_delay = None
        self._failed_polls = 0
        if coordinator.is_streaming or self._is_stopped:
            return coordinator.data  # the stream connected meanwhile and has newer data, or the entry is unloaded
        self.next_poll_at = None
        coordinator.async_record_message()
        coordinator.async_apply_poll(snapshot, since=since)
        self._async_schedule_next()
        return coordinator.data

    @callback
    def _async_start_polling(self, _now: datetime) -> None:
        self._cancel_start = None
        entry = self._coordinator.config_entry
        if entry.pref_disable_polling:
            return
        self._coordinator.update_interval = OUTAGE_POLL_INTERVAL
        entry.async_create_background_task(self._hass, self._coordinator.async_refresh(), f"{DOMAIN} poll")

    @callback
    def _async_handle_failure(self, err: RelayError) -> ConfigEntryAuthFailed | UpdateFailed:
        if needs_credential(err):
            return ConfigEntryAuthFailed(translation_domain=DOMAIN, translation_key=get_translation_key(err))
        interval = self._coordinator.update_interval
        delay = get_server_delay(err)
        if delay is None and interval is not None:
            delay = get_retry_interval(err, interval, self._failed_polls)
        self._failed_polls += 1
        self._async_schedule_after_failure(err, delay)
        return UpdateFailed(
            translation_domain=DOMAIN,
            translation_key=get_translation_key(err),
            retry_after=delay.total_seconds() if delay else None,
        )

    @callback
    def _async_schedule_after_failure(self, err: RelayError, delay: timedelta | None) -> None:
        """Note when to poll again. An exhausted allowance counts as contact: current data stays valid until then."""
        if isinstance(err, QuotaExhaustedError):
            self._coordinator.config_entry.async_create_background_task(
                self._hass, self._async_update_account(), f"{DOMAIN} account"
            )
            self._quota_delay = delay or self._get_interval()
            self._async_schedule(self._quota_delay)
        elif delay is not None:
            self.next_poll_at = self._clock.now() + delay

    async def _async_update_account(self) -> None:
        """Get the account, which says when it has calls again. Costs no call."""
        with suppress(RelayError):
            account = await self._coordinator.client.get_account()
            if not self._is_stopped:
                self._coordinator.async_set_account(account)

    @callback
    def _async_schedule_next(self, last_contact_at: datetime | None = None) -> None:
        """Schedule the next poll right after contact with the relay."""
        interval = self._get_interval(self.next_poll_at)
        self._coordinator.update_interval = interval
        self._async_schedule(interval, last_contact_at)

    def _get_interval(self, scheduled_at: datetime | None = None) -> timedelta:
        return get_poll_interval(self._coordinator.data, scheduled_at, now=self._clock.now())

    @callback
    def _async_schedule(self, delay: timedelta, last_contact_at: datetime | None = None) -> None:
        self.next_poll_at = self._clock.now() + delay
        self._coordinator.availability.async_record_contact(delay, at=last_contact_at)
        self._on_schedule()
