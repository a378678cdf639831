"""Relays that report themselves: the add-on through the Supervisor, others by zeroconf on the local network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from homeassistant.config_entries import SOURCE_HASSIO, ConfigEntry
from homeassistant.const import CONF_URL
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.service_info.hassio import HassioServiceInfo
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from yarl import URL

from .client import Account, parse_relay_url
from .const import DOMAIN

CONF_INSTANCE_ID: Final = "relay_instance_id"
"""Id of the relay's database. Tells a discovered relay that is set up already from another one. Not a secret."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscoveredRelay:
    """A relay that reported itself. Anyone on the local network can claim to be one."""

    instance_id: str
    url: str

    @property
    def host(self) -> str:
        """The host, as a name for the relay."""
        return URL(self.url).host or self.url

    @classmethod
    def parse_from_supervisor(cls, info: HassioServiceInfo) -> Self | None:
        """Parse what the add-on reported: `host`, `port` and `instance_id`. None if that is incomplete."""
        config = info.config
        return cls._create(config.get("instance_id"), "http", config.get("host"), config.get("port"), "")

    @classmethod
    def parse_from_zeroconf(cls, info: ZeroconfServiceInfo) -> Self | None:
        """Parse an announcement with the properties `instance_id`, `scheme` and `path`. None if it is incomplete."""
        properties: Mapping[str, Any] = info.properties
        scheme, path = properties.get("scheme") or "http", properties.get("path") or ""
        return cls._create(properties.get("instance_id"), scheme, info.host, info.port, path)

    @classmethod
    def _create(cls, instance_id: object, scheme: object, host: object, port: object, path: object) -> Self | None:
        if not isinstance(instance_id, str) or not instance_id or not isinstance(host, str):
            return None
        address = f"[{host}]" if ":" in host else host
        try:
            url = parse_relay_url(f"{scheme}://{address}:{port}{path}")
        except ValueError:
            return None
        return cls(instance_id=instance_id, url=url)


@callback
def is_configured(hass: HomeAssistant, discovered: DiscoveredRelay) -> bool:
    """Return whether there is an entry for this relay."""
    return any(
        entry.data.get(CONF_INSTANCE_ID) == discovered.instance_id or entry.data.get(CONF_URL) == discovered.url
        for entry in hass.config_entries.async_entries(DOMAIN, include_ignore=False)
    )


@callback
def async_update_from_supervisor(hass: HomeAssistant, discovered: DiscoveredRelay) -> None:
    """Follow the add-on to another address.

    Only for entries that the Supervisor's discovery created, and never for an announcement on the local network: anyone
    there can announce the id of a relay, and would be sent its credential.
    """
    for entry in hass.config_entries.async_entries(DOMAIN, include_ignore=False):
        if (
            entry.source == SOURCE_HASSIO
            and entry.data.get(CONF_INSTANCE_ID) == discovered.instance_id
            and entry.data[CONF_URL] != discovered.url
        ):
            hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_URL: discovered.url})
            hass.config_entries.async_schedule_reload(entry.entry_id)


@callback
def async_store_instance_id(hass: HomeAssistant, entry: ConfigEntry[Any], account: Account) -> None:
    """Remember which relay the entry is for. Entries from before relays had an id learn it here."""
    if account.instance_id is not None and entry.data.get(CONF_INSTANCE_ID) != account.instance_id:
        hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_INSTANCE_ID: account.instance_id})
