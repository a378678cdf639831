"""How long a vehicle whose link to its maker is broken is shown as it was last reported."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later

GRACE: Final = timedelta(hours=24)
"""Long enough to link the vehicle again, and too short for a battery level to mislead for days."""


class BrokenLinkGrace:
    """Tracks since when a link is broken, and expires the vehicle's live data when that is too long ago."""

    def __init__(self, hass: HomeAssistant, on_expire: Callable[[], None]) -> None:
        """Call `on_expire` when GRACE ends while the link is broken."""
        self._hass = hass
        self._on_expire = on_expire
        self._cancel_timer: CALLBACK_TYPE | None = None
        self.is_expired = False

    @callback
    def async_set_broken_since(self, broken_since: datetime | None, now: datetime) -> None:
        """Set since when the link is broken, None if it isn't. Both times are by the relay's clock."""
        self.async_stop()
        remaining = GRACE if broken_since is None else broken_since + GRACE - now
        self.is_expired = remaining <= timedelta(0)
        if broken_since is not None and not self.is_expired:
            self._cancel_timer = async_call_later(self._hass, remaining, self._async_expire)

    @callback
    def async_stop(self) -> None:
        """Cancel the timer."""
        if self._cancel_timer is not None:
            self._cancel_timer()
            self._cancel_timer = None

    @callback
    def _async_expire(self, _now: datetime) -> None:
        self._cancel_timer = None
        self.is_expired = True
        self._on_expire()
