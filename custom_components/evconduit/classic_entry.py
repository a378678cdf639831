"""Config entries of the classic EVConduit integration, which has the same domain. They can't be taken over yet."""

import asyncio
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_API_KEY
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.storage import Store

from . import const
from .const import DOMAIN, LOGGER
from .repair_issues import async_create_classic_issue, async_delete_classic_issue

CLASSIC_VERSION: Final = 1
REMOVAL_TIMEOUT_SECONDS: Final = 10


def is_classic_entry(entry: ConfigEntry[Any]) -> bool:
    """Return whether the entry belongs to the classic integration."""
    return entry.version == CLASSIC_VERSION


@callback
def async_reject_classic_entry(hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
    """Explain in the log and in a repair issue why the entry doesn't load."""
    LOGGER.error(
        "The config entry %r belongs to the classic EVConduit integration and can't be taken over yet. Delete it "
        "and add EVConduit again",
        entry.title,
    )
    async_create_classic_issue(hass, entry.entry_id, entry.title)


async def async_remove_classic_entry(hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
    """Remove what the classic integration left for the entry: its webhook at the relay, and its stored sessions."""
    async_delete_classic_issue(hass, entry.entry_id)
    await Store[dict[str, Any]](hass, 1, f"{DOMAIN}.charging_sessions.{entry.entry_id}").async_remove()
    try:
        async with asyncio.timeout(REMOVAL_TIMEOUT_SECONDS):
            await _async_delete_webhook(hass, entry)
    except Exception as err:  # noqa: BLE001 - the entry is removed whatever happens at the relay
        LOGGER.debug("Removal of the classic webhook failed: %s", type(err).__name__)


async def _async_delete_webhook(hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
    """Delete the relay's webhook. Its id is the entry's. Otherwise the relay would POST to it forever."""
    async with async_get_clientsession(hass).delete(
        f"{const.DEFAULT_URL}/api/ha/webhook/register",  # the classic integration supports no other relay
        params={"webhook_id": entry.entry_id},
        headers={"Authorization": f"Bearer {entry.data[CONF_API_KEY]}"},
        allow_redirects=False,
    ) as response:
        LOGGER.debug("Removal of the classic webhook: status %s", response.status)
