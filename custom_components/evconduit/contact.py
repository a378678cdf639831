from collections.abc import Callable
from datetime import datetime, timedelta

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util


class Contact:
    """Whether we heard of the relay lately enough to stand by what we show.

    A sleeping car is not lost contact: it is the relay's word that counts, and the car's own age is an entity.
    """

    def __init__(self, hass: HomeAssistant, on_change: Callable[[], None]) -> None:
        """`on_change` is called when contact is lost and when it is found again."""
        self._hass = hass
        self._on_change = on_change
        self._stop: CALLBACK_TYPE | None = None
        self.kept = False
        self.heard_at: datetime | None = None

    @callback
    def async_hold(self) -> None:
        """We hear the relay now and will notice at once when we no longer do."""
        self.async_heard(None)

    @callback
    def async_heard(self, good_for: timedelta | None) -> None:
        """We heard the relay now; that is good for so long, None for as long as nobody says otherwise."""
        self.async_stop()
        self.heard_at = dt_util.utcnow()
        if good_for is not None:
            self._stop = async_call_later(self._hass, good_for, self._async_expire)
        if not self.kept:
            self.kept = True
            self._on_change()

    @callback
    def async_stop(self) -> None:
        """Wait for nothing more."""
        if self._stop is not None:
            self._stop()
            self._stop = None

    @callback
    def _async_expire(self, _now: datetime) -> None:
        self._stop = None
        self.kept = False
        self._on_change()
