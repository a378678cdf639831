"""Whether what the entities show is recent enough to be shown."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util

VALID_FOR: Final = timedelta(minutes=15)
"""How long data stays valid after the last contact with the relay."""


class RelayAvailability:
    """Tracks the last contact with the relay and makes entities unavailable when it is too long ago.

    Only contact with the relay counts. A sleeping vehicle stays available: the age of its own data is an entity.
    """

    def __init__(self, hass: HomeAssistant, on_change: Callable[[], None]) -> None:
        """Call `on_change` each time `is_available` changes."""
        self._hass = hass
        self._on_change = on_change
        self._cancel_expiry: CALLBACK_TYPE | None = None
        self.is_available = False
        self.last_contact_at: datetime | None = None

    @callback
    def async_set_connected(self) -> None:
        """Keep data valid until the next `async_record_contact`: a lost connection is noticed at once."""
        self._async_record(None)

    @callback
    def async_record_contact(self, poll_interval: timedelta | None = None, *, at: datetime | None = None) -> None:
        """Keep data valid for VALID_FOR, or for two poll intervals if that is longer: one poll may fail.

        `at`: when the contact was, if not now.
        """
        self._async_record(max(VALID_FOR, 2 * (poll_interval or timedelta(0))), at)

    @callback
    def async_stop(self) -> None:
        """Cancel the timer."""
        if self._cancel_expiry is not None:
            self._cancel_expiry()
            self._cancel_expiry = None

    @callback
    def _async_record(self, valid_for: timedelta | None, at: datetime | None = None) -> None:
        self.async_stop()
        now = dt_util.utcnow()
        self.last_contact_at = min(at or now, now)  # a time ahead is from before the clock was corrected
        is_available = True
        if valid_for is not None:
            remaining = valid_for - (now - self.last_contact_at)
            is_available = remaining > timedelta(0)
            if is_available:
                self._cancel_expiry = async_call_later(self._hass, remaining, self._async_expire)
        if is_available is not self.is_available:
            self.is_available = is_available
            self._on_change()

    @callback
    def _async_expire(self, _now: datetime) -> None:
        self._cancel_expiry = None
        self.is_available = False
        self._on_change()
