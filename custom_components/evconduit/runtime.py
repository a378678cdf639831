"""What one loaded config entry runs: the coordinator and the channels that feed it."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util

from .account_language import async_update_account_language
from .account_refresh import AccountRefresh
from .client import Account, JsonObject, Message, RelayClient, RelayError
from .const import DOMAIN, LOGGER
from .coordinator import AccountCoordinator
from .discovery import async_store_instance_id
from .energy_statistics import EnergyStatistics
from .error_messages import create_setup_error
from .home_sync import HomeSync
from .options import Options
from .polling import Poller
from .price_sync import PriceSync
from .storage import SnapshotStore, StoredState
from .stream_channel import StreamChannel
from .webhook_channel import WebhookChannel

CLOCK_CHECK_INTERVAL: Final = timedelta(minutes=15)
"""How often to compare the clocks while they differ."""

type EVConduitConfigEntry = ConfigEntry[EVConduitRuntime]


class PushChannel(StrEnum):
    """How changes arrive."""

    STREAM = "stream"
    WEBHOOK = "webhook"
    POLLING = "polling"


class EVConduitRuntime:
    """Connects the channels to the coordinator.

    The stream delivers changes as they happen. While it is down the relay POSTs them to the webhook if it can reach
    it, and the poller requests all vehicles at long intervals.
    """

    def __init__(self, hass: HomeAssistant, entry: EVConduitConfigEntry, client: RelayClient) -> None:
        self._hass = hass
        self._entry = entry
        self.client = client
        self._options = Options.parse(entry.options)
        self.coordinator = AccountCoordinator(hass, entry, client, self._async_on_account_change)
        self.poller = Poller(self.coordinator, self._async_on_applied)
        self.coordinator.update_method = self.poller.async_poll
        self.stream = StreamChannel(
            self.coordinator,
            on_connect=self._async_on_connect,
            on_disconnect=self._async_on_disconnect,
            on_message=self._async_apply_from_stream,
        )
        self.webhook = WebhookChannel(self.coordinator, self._async_apply_from_webhook)
        self.home = HomeSync(hass, entry, client)
        self.price = PriceSync(hass, entry, client)
        self._account_refresh = AccountRefresh(self.coordinator)
        self._statistics = EnergyStatistics(self.coordinator)
        self._cancel_clock_check: CALLBACK_TYPE | None = None
        self._store = SnapshotStore(hass, entry.entry_id)

    @property
    def push_channel(self) -> PushChannel:
        """How changes arrive now."""
        if self.coordinator.is_streaming:
            return PushChannel.STREAM
        return PushChannel.WEBHOOK if self.webhook.is_registered else PushChannel.POLLING

    async def async_start(self) -> None:
        """Load the account and its vehicles, and start the channels.

        If the relay doesn't respond, the last state is shown for as long as it is valid, and the channels keep trying.

        Raises ConfigEntryAuthFailed and ConfigEntryNotReady.
        """
        self._entry.async_on_unload(self._async_cancel_timers)
        self._entry.async_on_unload(self.coordinator.account_issues.async_cancel_timers)
        self.client.clock.on_measure = self._async_on_clock_measured
        stored = await self._store.async_load(str(self._entry.unique_id))
        account = await self._async_get_account(stored)
        is_away = stored is not None and account is stored.snapshot.account
        if stored is not None and stored.snapshot.account.id != account.id:
            stored = None
        async_store_instance_id(self._hass, self._entry, account)
        self._async_start_channels(account, stored)
        await self._async_wait_for_vehicles(account, stored, is_away=is_away)
        self._account_refresh.async_start()
        self._statistics.async_start()

    async def _async_wait_for_vehicles(self, account: Account, stored: StoredState | None, *, is_away: bool) -> None:
        """Wait for the stream's first snapshot, or poll if there is none and nothing is stored.

        `is_away`: the relay didn't respond, so `stored` is shown.
        """
        if account.push and self._options.uses_stream and not is_away:
            if await self.stream.async_wait_for_snapshot():
                return
            LOGGER.info("Stream not connected; polling until it is")
        if stored is None:
            await self.poller.async_first_refresh()
            return
        self.poller.next_poll_at = stored.next_poll_at
        self.coordinator.async_update_issues()
        self.poller.async_resume(stored.last_contact_at if is_away else None)

    async def async_stop(self) -> None:
        """Stop the channels and store the last state."""
        self.poller.async_stop()
        self._account_refresh.async_stop()
        self._statistics.async_stop()
        await self.stream.async_stop()
        await self.webhook.async_stop()
        self.coordinator.async_stop()
        self.coordinator.async_clear_issues()
        await self._store.async_save(self._get_stored_state())

    async def _async_get_account(self, stored: StoredState | None) -> Account:
        """Get the account: the stored one if the relay doesn't respond as it should."""
        try:
            return await self.client.get_account()
        except RelayError as err:
            error = create_setup_error(err)
            if stored is None or isinstance(error, ConfigEntryAuthFailed):
                raise error from err
            LOGGER.info("The relay is not available; showing the stored state: %s", err)
            return stored.snapshot.account

    @callback
    def _async_start_channels(self, account: Account, stored: StoredState | None) -> None:
        self.coordinator.async_set_account(account)
        if stored is not None:
            # Before anything is received: whatever that is, it is newer.
            self.coordinator.async_restore_vehicles(stored.snapshot.vehicles)
        self.coordinator.cursor = stored.cursor if stored else None
        self.stream.async_set_cursor(self.coordinator.cursor)
        self.webhook.async_start(account)
        self._entry.async_create_background_task(
            self._hass, async_update_account_language(self._hass, self.client, account), f"{DOMAIN} language"
        )
        if self._options.uses_stream:
            self.stream.async_start()
        self.home.async_start()
        self.price.async_start()

    @callback
    def _async_apply_from_stream(self, message: Message, cursor: str | None, since: int) -> None:
        self.coordinator.async_apply(message, cursor, since=since)
        self._async_on_applied()

    @callback
    def _async_apply_from_webhook(self, message: Message, cursor: str | None, position: str | None) -> None:
        self.coordinator.async_apply(message, cursor, position=position)
        self._async_on_applied()

    @callback
    def _async_on_applied(self) -> None:
        self.coordinator.async_record_message()
        self.stream.async_set_cursor(self.coordinator.cursor)
        self._async_schedule_save()

    @callback
    def _async_on_connect(self) -> None:
        self.poller.async_suspend()
        self.coordinator.availability.async_set_connected()
        self.coordinator.async_update_account_listeners()
        if self.stream.has_answered:
            self.webhook.async_start(self.coordinator.data)  # a relay that was down may have lost the registration

    @callback
    def _async_on_disconnect(self) -> None:
        self.poller.async_resume()
        self.coordinator.async_update_account_listeners()

    @callback
    def _async_on_account_change(self, previous: Account | None, account: Account) -> None:
        """Enable the channels that the plan and the relay support."""
        if account.push:
            self.stream.async_enable()
        # The first account arrives during setup, which starts the webhook itself.
        if previous is not None and (account.push, account.features) != (previous.push, previous.features):
            self.webhook.async_start(account)

    @callback
    def _async_on_clock_measured(self) -> None:
        """Update the repair issue about the clocks. While there is one, measure them again at intervals."""
        has_issue = self.coordinator.async_update_clock_issue()
        if not has_issue:
            self._async_cancel_clock_check()
        elif self._cancel_clock_check is None:
            self._cancel_clock_check = async_call_later(self._hass, CLOCK_CHECK_INTERVAL, self._async_check_clock)

    @callback
    def _async_check_clock(self, _now: datetime) -> None:
        self._cancel_clock_check = None
        self._entry.async_create_background_task(self._hass, self._async_measure_clock(), f"{DOMAIN} clock")

    async def _async_measure_clock(self) -> None:
        try:
            await self.client.get_account()  # costs no call; the `Date` of the answer is what matters
        except RelayError:
            self._async_on_clock_measured()

    @callback
    def _async_cancel_clock_check(self) -> None:
        if self._cancel_clock_check is not None:
            self._cancel_clock_check()
            self._cancel_clock_check = None

    @callback
    def _async_schedule_save(self) -> None:
        self._store.async_schedule_save(self._get_stored_state)

    def _get_stored_state(self) -> JsonObject:
        next_poll_at = self.poller.next_poll_at
        contact_at = (
            dt_util.utcnow() if self.coordinator.is_streaming else self.coordinator.availability.last_contact_at
        )
        return self.coordinator.get_state() | {
            "poll_at": next_poll_at.isoformat() if next_poll_at else None,
            "contact_at": contact_at.isoformat() if contact_at else None,
        }

    @callback
    def _async_cancel_timers(self) -> None:
        self.poller.async_cancel_start()
        self._account_refresh.async_stop()
        self._statistics.async_stop()
        self.coordinator.async_stop()
        self.client.clock.on_measure = None
        self._async_cancel_clock_check()
