"""The other way in, for when the stream is down: a webhook of Home Assistant's, and the relay told where it is."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from aiohttp.hdrs import METH_POST
from homeassistant.components import webhook
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_WEBHOOK_ID, EVENT_CORE_CONFIG_UPDATE
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.network import NoURLAvailableError
from homeassistant.helpers.start import async_at_started

from .client import Account, EndpointState, JsonObject, NotFoundError, RelayClient, RelayError, TryAgainError
from .const import DOMAIN, LOGGER
from .webhook_handler import WebhookHandler

FEATURE: Final = "webhook"
CONF_SECRET: Final = "webhook_secret"  # noqa: S105 - the name of it
CLOUD: Final = "cloud"

CHECK_EVERY: Final = timedelta(hours=12)
"""So often the relay is asked whether it still POSTs to us."""
TRY_AGAIN_AFTER: Final = timedelta(minutes=5)


class WebhookRegistration:
    """The webhook of one entry. Nothing that fails here is in the stream's way: it is tried again."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry[Any], client: RelayClient, handler: WebhookHandler
    ) -> None:
        self._hass = hass
        self._entry = entry
        self._client = client
        self._handler = handler
        self._due = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._url: str | None = None
        self._via: str | None = None
        self._failure: str | None = None

    @callback
    def async_start(self, account: Account) -> None:
        """Offer the webhook from now on, where account and relay know what to do with it. Safe to repeat."""
        if not (account.push and FEATURE in account.features):
            return
        if self._keeping is not None:
            self._due.set()
            return
        self._handler.secret = self._entry.data.get(CONF_SECRET)
        webhook.async_register(
            self._hass,
            DOMAIN,
            f"EVConduit {self._entry.title}",
            self._id(),
            self._handler.async_handle,
            local_only=False,
            allowed_methods=[METH_POST],
        )
        self._keeping = self._entry.async_create_background_task(self._hass, self._async_keep(), f"{DOMAIN} webhook")
        for stop in (
            lambda: webhook.async_unregister(self._hass, self._id()),
            self._hass.bus.async_listen(EVENT_CORE_CONFIG_UPDATE, self._async_on_config),
            async_at_started(self._hass, self._async_on_started),  # who registers earlier cannot be reached yet
        ):
            self._entry.async_on_unload(stop)
        if (cloud := _cloud(self._hass)) is not None:
            self._entry.async_on_unload(cloud.async_listen_connection_change(self._hass, self._async_on_cloud))

    async def async_stop(self) -> None:
        """Tell the relay nothing more. It keeps what it does not get rid of while nobody answers."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
            self._keeping = None

    def get_diagnostics(self) -> JsonObject:
        """How it goes, without an address or a secret."""
        last_at = self._handler.last_at
        return {
            "offered": self._keeping is not None,
            "registered_via": self._via,
            "failure": self._failure,
            "taken": self._handler.taken,
            "refused": self._handler.refused,
            "last_at": last_at.isoformat() if last_at else None,
        }

    def _id(self) -> str:
        """Random, and the same for as long as there is this entry."""
        if CONF_WEBHOOK_ID not in self._entry.data:
            self._remember({CONF_WEBHOOK_ID: webhook.async_generate_id()})
        return str(self._entry.data[CONF_WEBHOOK_ID])

    def _remember(self, changes: Mapping[str, str]) -> None:
        self._hass.config_entries.async_update_entry(self._entry, data={**self._entry.data, **changes})

    @callback
    def _async_on_config(self, _event: Event[Any]) -> None:
        self._due.set()

    @callback
    def _async_on_started(self, _hass: HomeAssistant) -> None:
        self._due.set()

    @callback
    def _async_on_cloud(self, _state: object) -> None:
        self._due.set()

    # What the relay knows

    async def _async_keep(self) -> None:
        """See to it that the relay knows our address: when something changed, and now and then."""
        await self._due.wait()
        while True:
            self._due.clear()
            wait = await self._async_settle()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait.total_seconds()):
                    await self._due.wait()

    async def _async_settle(self) -> timedelta:
        """Tell the relay what it does not know yet; how long that will do."""
        try:
            via, url = await self._async_address()
            if url is None:
                await self._async_withdraw()
            elif url != self._url or not await self._is_on():
                await self._async_register(url)
            self._via, self._url, self._failure = via, url, None
        except (RelayError, HomeAssistantError) as err:
            self._failure = type(err).__name__
            LOGGER.debug("The relay could not be told where to POST: %s", self._failure)
            return TRY_AGAIN_AFTER if isinstance(err, TryAgainError | HomeAssistantError) else CHECK_EVERY
        except Exception as err:  # noqa: BLE001 - logged; Nabu Casa's client may raise anything, and there is a next time
            self._failure = type(err).__name__
            LOGGER.exception("The webhook could not be offered")
            return TRY_AGAIN_AFTER
        return CHECK_EVERY

    async def _async_register(self, url: str) -> None:
        endpoint = await self._client.register_endpoint(url)
        secret = endpoint.secret or ""
        self._handler.secret = secret
        if self._entry.data.get(CONF_SECRET) != secret:  # kept: a restart must not refuse what comes at once
            self._remember({CONF_SECRET: secret})

    async def _async_withdraw(self) -> None:
        """There is no way in (any more)."""
        if CONF_SECRET not in self._entry.data:
            return
        with suppress(NotFoundError):
            await self._client.remove_endpoint()
        self._handler.secret = None
        data = {key: value for key, value in self._entry.data.items() if key != CONF_SECRET}
        self._hass.config_entries.async_update_entry(self._entry, data=data)

    async def _is_on(self) -> bool:
        try:
            return (await self._client.endpoint()).state is not EndpointState.OFF
        except NotFoundError:
            return False

    async def _async_address(self) -> tuple[str | None, str | None]:
        """Which way in there is, and its address: the cloud's where it is active, else one of our own."""
        cloud = _cloud(self._hass)
        if cloud is not None and cloud.async_active_subscription(self._hass):
            if cloud.async_is_connected(self._hass):
                return CLOUD, await cloud.async_get_or_create_cloudhook(self._hass, self._id())
            if self._via == CLOUD:
                return CLOUD, self._url  # it will be back, and the relay tries again
        try:
            return "external_url", webhook.async_generate_url(
                self._hass, self._id(), allow_internal=False, allow_ip=True, prefer_external=True
            )
        except NoURLAvailableError:
            return None, None


async def async_forget(hass: HomeAssistant, entry: ConfigEntry[Any], client: RelayClient) -> None:
    """The entry goes: take the address back, here, at the relay and in the cloud, as far as they can be reached."""
    if CONF_WEBHOOK_ID not in entry.data:
        return
    webhook_id = entry.data[CONF_WEBHOOK_ID]
    webhook.async_unregister(hass, webhook_id)
    await async_leave(entry.data, client)
    if (cloud := _cloud(hass)) is not None and cloud.async_is_logged_in(hass):
        try:
            await cloud.async_delete_cloudhook(hass, webhook_id)
        except Exception as err:  # noqa: BLE001 - one that never was raises ValueError, and Nabu Casa's client what it likes
            LOGGER.debug("The cloudhook could not be deleted: %s", type(err).__name__)


async def async_leave(data: Mapping[str, Any], client: RelayClient) -> None:
    """Have the relay POST no more for this credential of an entry's, as far as the relay can be reached."""
    if CONF_SECRET in data:
        with suppress(RelayError):
            await client.remove_endpoint()


def _cloud(hass: HomeAssistant) -> Any:
    """Home Assistant's cloud component where it is set up. Not imported elsewhere: it brings half of voice with it."""
    if CLOUD not in hass.config.components:
        return None
    from homeassistant.components import cloud  # noqa: PLC0415 - see above

    return cloud
