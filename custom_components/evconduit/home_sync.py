"""Uses Home Assistant's home zone as the account's home, if the user chose so."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from homeassistant.components.zone import ENTITY_ID_HOME
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import ATTR_LATITUDE, ATTR_LONGITUDE
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers.event import async_track_state_change_event

from .client import HomeLocation, JsonReader, MalformedError, NotFoundError, RelayClient, RelayError, TryAgainError
from .const import DOMAIN, LOGGER
from .options import Options

CONF_UPLOADED_HOME: Final = "uploaded_home"
"""The home that this entry set at the relay. Another one there belongs to another installation."""
RETRY_DELAY: Final = timedelta(minutes=5)


def get_zone_home(hass: HomeAssistant) -> HomeLocation:
    """Return the home zone."""
    zone = hass.states.get(ENTITY_ID_HOME)
    attributes = zone.attributes if zone else {}
    return HomeLocation.create(
        attributes.get(ATTR_LATITUDE, hass.config.latitude),
        attributes.get(ATTR_LONGITUDE, hass.config.longitude),
        attributes.get("radius", hass.config.radius),
    )


def get_uploaded_home(entry: ConfigEntry[Any]) -> HomeLocation | None:
    """Return the home that this entry set at the relay."""
    try:
        return HomeLocation.parse(JsonReader(entry.data.get(CONF_UPLOADED_HOME)))
    except MalformedError:
        return None


def is_own(current: HomeLocation | None, uploaded: HomeLocation | None) -> bool:
    """Return whether the relay's home may be changed: there is none, or it is the one that this entry set."""
    return current is None or (uploaded is not None and current.is_same(uploaded))


async def async_delete_uploaded_home(entry: ConfigEntry[Any], client: RelayClient) -> None:
    """Delete the home that a removed entry set, if the relay can be reached and it isn't another installation's now."""
    if (uploaded := get_uploaded_home(entry)) is None:
        return
    with suppress(RelayError):
        if is_own(await client.get_home(), uploaded):
            await client.delete_home()


class HomeSync:
    """Uploads the home zone, and each change of it. Removes it when the option is switched off."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry[Any], client: RelayClient) -> None:
        self._hass = hass
        self._entry = entry
        self._client = client
        self._is_enabled = Options.parse(entry.options).use_home_zone
        self._changed = asyncio.Event()

    @callback
    def async_start(self) -> None:
        """Upload the home zone, and each change from now on."""
        if not self._is_enabled and CONF_UPLOADED_HOME not in self._entry.data:
            return
        if self._is_enabled:
            self._entry.async_on_unload(
                async_track_state_change_event(self._hass, [ENTITY_ID_HOME], self._async_on_zone_change)
            )
        self._entry.async_create_background_task(self._hass, self._async_run(), f"{DOMAIN} home")

    @callback
    def _async_on_zone_change(self, _event: Event[EventStateChangedData]) -> None:
        self._changed.set()

    async def _async_run(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self._async_update()
                delay = None
            except RelayError as err:
                LOGGER.debug("Home location not updated: %s", err)
                delay = RETRY_DELAY if isinstance(err, TryAgainError) else None
            if delay is None and not self._is_enabled:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(delay.total_seconds() if delay else None):
                    await self._changed.wait()

    async def _async_update(self) -> None:
        """Bring the relay's home up to date, unless another installation set it. Raises RelayError."""
        uploaded = get_uploaded_home(self._entry)
        wanted = get_zone_home(self._hass) if self._is_enabled else None
        if wanted is not None and uploaded is not None and wanted.is_same(uploaded):
            return  # a zone's state also changes with the number of persons in it
        current = await self._client.get_home()
        if not is_own(current, uploaded):
            LOGGER.info("The account's home location was set elsewhere and is left unchanged")
            self._store_uploaded(None)
        elif wanted is not None:
            await self._client.set_home(wanted)
            self._store_uploaded(wanted)
        else:
            with suppress(NotFoundError):
                await self._client.delete_home()
            self._store_uploaded(None)

    def _store_uploaded(self, home: HomeLocation | None) -> None:
        data = {key: value for key, value in self._entry.data.items() if key != CONF_UPLOADED_HOME}
        data |= {CONF_UPLOADED_HOME: home.as_json()} if home is not None else {}
        if data != dict(self._entry.data):
            self._hass.config_entries.async_update_entry(self._entry, data=data)
