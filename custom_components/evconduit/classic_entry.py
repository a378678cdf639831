"""Config entries of the classic EVConduit integration, which has the same domain and version 1: one for each vehicle.

Migration to version 2 needs no connection: it marks an entry as pending. Setup then finds out which account and vehicle
the entry belongs to, and merges the entries of one account.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_API_KEY, CONF_URL
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.storage import Store

from . import const
from .const import DOMAIN, LOGGER

CLASSIC_VERSION: Final = 1
REMOVAL_TIMEOUT_SECONDS: Final = 10

CONF_CLASSIC: Final = "classic"
"""In the data of a pending entry: what it was in the classic integration."""
CONF_VEHICLE_ID: Final = "vehicle_id"
CONF_ABRP_TOKEN: Final = "abrp_token"  # noqa: S105 - a key, not a secret

SETTINGS: Final = (
    "update_interval",
    "charging_history",
    "odometer_entity",
    "electricity_rate_entity",
    "electricity_rate_currency",
)
"""The options of classic entries, which have no successor here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassicEntry:
    """What a classic entry was. `vehicle_ids`: ids of its vehicle, of which the first is the newest.

    `settings`: the names of the settings that were in use.
    """

    entry_id: str
    title: str
    api_key: str
    vehicle_ids: tuple[str, ...]
    settings: tuple[str, ...]

    @classmethod
    def parse(cls, entry: ConfigEntry[Any]) -> Self | None:
        """Parse an entry that isn't migrated yet, or pending. None for all others. Never fails."""
        data = entry.data if is_classic_entry(entry) else entry.data.get(CONF_CLASSIC)
        if not isinstance(data, Mapping):
            return None
        ids = (data.get(CONF_VEHICLE_ID), entry.unique_id)
        abrp = (CONF_ABRP_TOKEN,) if data.get(CONF_ABRP_TOKEN) else ()
        return cls(
            entry_id=entry.entry_id,
            title=entry.title,
            api_key=_get_str(data, CONF_API_KEY),
            vehicle_ids=tuple(dict.fromkeys(id_ for id_ in ids if isinstance(id_, str) and id_)),
            settings=tuple(name for name in SETTINGS if entry.options.get(name)) + abrp,
        )


def is_classic_entry(entry: ConfigEntry[Any]) -> bool:
    """Return whether the entry is as the classic integration left it. One that is disabled stays so."""
    return entry.version == CLASSIC_VERSION


def is_pending_entry(entry: ConfigEntry[Any]) -> bool:
    """Return whether the entry is migrated, but its account isn't known yet."""
    return not is_classic_entry(entry) and CONF_CLASSIC in entry.data


@callback
def async_mark_pending(hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
    """Migrate a classic entry to version 2. Never fails, whatever its data."""
    api_key = _get_str(entry.data, CONF_API_KEY)
    classic = {
        CONF_API_KEY: api_key,
        CONF_VEHICLE_ID: _get_str(entry.data, CONF_VEHICLE_ID),
        CONF_ABRP_TOKEN: bool(entry.data.get(CONF_ABRP_TOKEN)),
    }
    hass.config_entries.async_update_entry(
        entry,
        version=2,
        minor_version=1,
        # The classic integration supports no other relay.
        data={CONF_URL: const.DEFAULT_URL, CONF_API_KEY: api_key, CONF_CLASSIC: classic},
    )


async def async_remove_classic_leftovers(hass: HomeAssistant, classic: ClassicEntry) -> None:
    """Remove what the classic integration left for an entry: its webhook at the relay, and its stored sessions."""
    await Store[dict[str, Any]](hass, 1, f"{DOMAIN}.charging_sessions.{classic.entry_id}").async_remove()
    try:
        async with asyncio.timeout(REMOVAL_TIMEOUT_SECONDS):
            await _async_delete_webhook(hass, classic)
    except Exception as err:  # noqa: BLE001 - the entry is removed whatever happens at the relay
        LOGGER.debug("Removal of the classic webhook failed: %s", type(err).__name__)


async def _async_delete_webhook(hass: HomeAssistant, classic: ClassicEntry) -> None:
    """Delete the relay's webhook. Its id is the entry's. Otherwise the relay would POST to it indefinitely."""
    async with async_get_clientsession(hass).delete(
        f"{const.DEFAULT_URL}/api/ha/webhook/register",
        params={"webhook_id": classic.entry_id},
        headers={"Authorization": f"Bearer {classic.api_key}"},
        allow_redirects=False,
    ) as response:
        LOGGER.debug("Removal of the classic webhook: status %s", response.status)


def _get_str(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return value.strip() if isinstance(value, str) else ""
