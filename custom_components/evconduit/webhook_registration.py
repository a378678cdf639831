"""Registration of the webhook in Home Assistant, and of its address with the relay."""

import asyncio
from collections.abc import Callable, Mapping
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

from .client import (
    Account,
    EndpointState,
    JsonObject,
    NotFoundError,
    RelayClient,
    RelayError,
    TryAgainError,
)
from .const import DOMAIN, LOGGER
from .options import Options
from .webhook_handler import WebhookHandler

WEBHOOK_FEATURE: Final = "webhook"
CONF_SECRET: Final = "webhook_secret"  # noqa: S105 - a key, not a secret
CLOUD_DOMAIN: Final = "cloud"

CHECK_INTERVAL: Final = timedelta(hours=12)
"""How often to check that the relay still has the endpoint."""
RETRY_DELAY: Final = timedelta(minutes=5)
UNREACHABLE_CHECK_INTERVAL: Final = timedelta(hours=1)
"""How often to check while the relay can't reach the webhook."""


class WebhookRegistration:
    """Keeps the webhook of one entry registered. A failure is retried and never affects the stream."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry[Any],
        client: RelayClient,
        handler: WebhookHandler,
        on_tested: Callable[[str | None], None],
    ) -> None:
        """Call `on_tested` with how the relay failed to reach the webhook, or None when it did or doesn't have to."""
        self._hass = hass
        self._entry = entry
        self._client = client
        self._handler = handler
        self._on_tested = on_tested
        self._check_requested = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._registered_url: str | None = None
        self._url_source: str | None = None
        self._failure: str | None = None
        self._needs_test = True
        """Until the relay reached the webhook at this address. Then once in CHECK_INTERVAL, not at each check."""

    @property
    def is_registered(self) -> bool:
        """Whether the relay has accepted the current address."""
        return self._registered_url is not None and self._failure is None

    @callback
    def async_start(self, account: Account) -> None:
        """Register the webhook if the plan and the relay support it. If called again, check the registration."""
        if not Options.parse(self._entry.options).uses_webhook:
            self._on_tested(None)
            self._async_delete_unused_endpoint()
            return
        if not (account.push and WEBHOOK_FEATURE in account.features):
            return
        if self._task is not None:
            self._check_requested.set()
            return
        self._handler.secret = self._entry.data.get(CONF_SECRET)
        webhook.async_register(
            self._hass,
            DOMAIN,
            f"EVConduit {self._entry.title}",
            self._get_webhook_id(),
            self._handler.async_handle,
            local_only=False,
            allowed_methods=[METH_POST],
        )
        self._task = self._entry.async_create_background_task(self._hass, self._async_run(), f"{DOMAIN} webhook")
        for unsubscribe in (
            lambda: webhook.async_unregister(self._hass, self._get_webhook_id()),
            self._hass.bus.async_listen(EVENT_CORE_CONFIG_UPDATE, self._async_on_config_update),
            async_at_started(self._hass, self._async_on_started),  # before that, Home Assistant can't be reached
        ):
            self._entry.async_on_unload(unsubscribe)
        if (cloud := _get_cloud(self._hass)) is not None:
            self._entry.async_on_unload(cloud.async_listen_connection_change(self._hass, self._async_on_cloud_change))

    @callback
    def _async_delete_unused_endpoint(self) -> None:
        """Delete what was registered before the user chose the stream as the only channel."""

        async def delete() -> None:
            with suppress(RelayError):
                await self._async_delete_endpoint()

        if CONF_SECRET in self._entry.data:
            self._entry.async_create_background_task(self._hass, delete(), f"{DOMAIN} webhook removal")

    async def async_stop(self) -> None:
        """Stop checking. The relay keeps what it can't deliver while Home Assistant doesn't answer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def get_diagnostics(self) -> JsonObject:
        """Return the state of the webhook, without an address or a secret."""
        last_at = self._handler.last_accepted_at
        return {
            "offered": self._task is not None,
            "registered_via": self._url_source,
            "failure": self._failure,
            "taken": self._handler.accepted_count,
            "refused": self._handler.rejected_count,
            "last_at": last_at.isoformat() if last_at else None,
        }

    def _get_webhook_id(self) -> str:
        """Return the webhook id: random, and constant for the life of the entry."""
        if CONF_WEBHOOK_ID not in self._entry.data:
            self._update_entry_data({CONF_WEBHOOK_ID: webhook.async_generate_id()})
        return str(self._entry.data[CONF_WEBHOOK_ID])

    def _update_entry_data(self, changes: Mapping[str, str]) -> None:
        self._hass.config_entries.async_update_entry(self._entry, data={**self._entry.data, **changes})

    @callback
    def _async_on_config_update(self, _event: Event[Any]) -> None:
        self._check_requested.set()

    @callback
    def _async_on_started(self, _hass: HomeAssistant) -> None:
        self._check_requested.set()

    @callback
    def _async_on_cloud_change(self, _state: object) -> None:
        self._check_requested.set()

    async def _async_run(self) -> None:
        """Check the registration after each change, and every CHECK_INTERVAL."""
        await self._check_requested.wait()
        while True:
            self._check_requested.clear()
            delay = await self._async_update_registration()
            try:
                async with asyncio.timeout(delay.total_seconds()):
                    await self._check_requested.wait()
            except TimeoutError:
                self._needs_test = True

    async def _async_update_registration(self) -> timedelta:
        """Bring the relay's endpoint up to date. Return the time until the next check."""
        try:
            source, url = await self._async_get_url()
            if url is None:
                await self._async_delete_endpoint()
            elif url != self._registered_url or not await self._async_is_endpoint_on():
                await self._async_register_endpoint(url)
            self._failure = None
            delay = await self._async_test(url)
            self._url_source, self._registered_url = source, url
        except (RelayError, HomeAssistantError) as err:
            self._failure = type(err).__name__
            LOGGER.debug("Webhook registration failed: %s", self._failure)
            return RETRY_DELAY if isinstance(err, TryAgainError | HomeAssistantError) else CHECK_INTERVAL
        except Exception as err:  # noqa: BLE001 - logged and retried; Nabu Casa's client can raise anything
            self._failure = type(err).__name__
            LOGGER.exception("Unexpected error during webhook registration")
            return RETRY_DELAY
        return delay

    async def _async_test(self, url: str | None) -> timedelta:
        """Let the relay send a test message. Return the time until the next check."""
        if url is None:
            self._on_tested(None)
        if url is None or not self._needs_test:
            return CHECK_INTERVAL
        try:
            failure = await self._client.test_endpoint()
        except RelayError:
            return CHECK_INTERVAL  # for example tested a moment ago, or by a relay that can't test
        self._failure, self._needs_test = failure, failure is not None
        self._on_tested(failure)
        return CHECK_INTERVAL if failure is None else UNREACHABLE_CHECK_INTERVAL

    async def _async_register_endpoint(self, url: str) -> None:
        self._needs_test = True
        endpoint = await self._client.register_endpoint(url)
        secret = endpoint.secret or ""
        self._handler.secret = secret
        if self._entry.data.get(CONF_SECRET) != secret:  # stored, to accept deliveries right after a restart
            self._update_entry_data({CONF_SECRET: secret})

    async def _async_delete_endpoint(self) -> None:
        """Delete the endpoint: Home Assistant has no external address (any more)."""
        if CONF_SECRET not in self._entry.data:
            return
        with suppress(NotFoundError):
            await self._client.delete_endpoint()
        self._handler.secret = None
        data = {key: value for key, value in self._entry.data.items() if key != CONF_SECRET}
        self._hass.config_entries.async_update_entry(self._entry, data=data)

    async def _async_is_endpoint_on(self) -> bool:
        try:
            return (await self._client.get_endpoint()).state is not EndpointState.OFF
        except NotFoundError:
            return False

    async def _async_get_url(self) -> tuple[str | None, str | None]:
        """Return source and URL: the cloudhook if the cloud is active, else the external URL, else None."""
        cloud = _get_cloud(self._hass)
        if cloud is not None and cloud.async_active_subscription(self._hass):
            if cloud.async_is_connected(self._hass):
                return CLOUD_DOMAIN, await cloud.async_get_or_create_cloudhook(self._hass, self._get_webhook_id())
            if self._url_source == CLOUD_DOMAIN:
                return CLOUD_DOMAIN, self._registered_url  # it will reconnect, and the relay retries
        try:
            return "external_url", webhook.async_generate_url(
                self._hass, self._get_webhook_id(), allow_internal=False, allow_ip=True, prefer_external=True
            )
        except NoURLAvailableError:
            return None, None


async def async_remove_webhook(hass: HomeAssistant, entry: ConfigEntry[Any], client: RelayClient) -> None:
    """Remove the webhook here, at the relay and in the cloud, as far as they can be reached."""
    if CONF_WEBHOOK_ID not in entry.data:
        return
    webhook_id = entry.data[CONF_WEBHOOK_ID]
    webhook.async_unregister(hass, webhook_id)
    await async_delete_endpoint(entry.data, client)
    if (cloud := _get_cloud(hass)) is not None and cloud.async_is_logged_in(hass):
        try:
            await cloud.async_delete_cloudhook(hass, webhook_id)
        except Exception as err:  # noqa: BLE001 - ValueError if there is none; Nabu Casa's client can raise anything
            LOGGER.debug("Cloudhook deletion failed: %s", type(err).__name__)


async def async_delete_endpoint(data: Mapping[str, Any], client: RelayClient) -> None:
    """Delete the relay's endpoint for this credential, if the relay can be reached."""
    if CONF_SECRET in data:
        with suppress(RelayError):
            await client.delete_endpoint()


def _get_cloud(hass: HomeAssistant) -> Any:
    """Return the cloud component if it is set up. Imported late, because it imports most of the voice assistant."""
    if CLOUD_DOMAIN not in hass.config.components:
        return None
    from homeassistant.components import cloud  # noqa: PLC0415 - see above

    return cloud
