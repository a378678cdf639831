"""Regular requests of the account, whose numbers change without a message: calls are used by others, too."""

from datetime import datetime, timedelta
from typing import Final

from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.helpers.event import async_track_time_interval

from .client import RelayError
from .const import DOMAIN
from .coordinator import AccountCoordinator

REFRESH_INTERVAL: Final = timedelta(hours=1)
"""Requesting the account costs no call."""


class AccountRefresh:
    """Requests the account every REFRESH_INTERVAL. Failures are left to the channels, which report and retry them."""

    def __init__(self, coordinator: AccountCoordinator) -> None:
        self._coordinator = coordinator
        self._cancel_timer: CALLBACK_TYPE | None = None

    @callback
    def async_start(self) -> None:
        """Start the timer."""
        self._cancel_timer = async_track_time_interval(
            self._coordinator.hass, self._async_schedule_refresh, REFRESH_INTERVAL, name=f"{DOMAIN} account"
        )

    @callback
    def async_stop(self) -> None:
        """Cancel the timer."""
        if self._cancel_timer is not None:
            self._cancel_timer()
            self._cancel_timer = None

    @callback
    def _async_schedule_refresh(self, _now: datetime) -> None:
        self._coordinator.config_entry.async_create_background_task(
            self._coordinator.hass, self._async_refresh(), f"{DOMAIN} account"
        )

    async def _async_refresh(self) -> None:
        try:
            account = await self._coordinator.client.get_account()
        except RelayError:
            return
        self._coordinator.async_apply(account, None)
