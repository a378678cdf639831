import logging
from collections.abc import Mapping
from typing import Any, Final, override
from uuid import uuid4

import voluptuous as vol
from homeassistant.config_entries import SOURCE_REAUTH, SOURCE_RECONFIGURE, SOURCE_USER, ConfigEntry, ConfigFlowResult
from homeassistant.const import CONF_API_KEY, CONF_TOKEN, CONF_URL
from homeassistant.data_entry_flow import AbortFlow
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.config_entry_oauth2_flow import AbstractOAuth2FlowHandler
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig, TextSelectorType

from .client import (
    Account,
    AccountDisabledError,
    ForbiddenError,
    RelayClient,
    RelayError,
    TryAgainError,
    UnauthorizedError,
    UnsupportedRelayError,
    find_sign_in,
    relay_address,
)
from .const import DEFAULT_URL, DOMAIN, LOGGER
from .credentials import (
    CONF_INSTALLATION,
    CREDENTIALS,
    RelayImplementation,
    async_revoke,
    client_with,
    relay_client,
    secret_of,
)
from .webhook_registration import async_leave

URL_SELECTOR: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.URL, autocomplete="url"))
KEY_SELECTOR: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off"))

NEW_ADDRESS_FORM: Final = vol.Schema({vol.Required(CONF_URL, default=DEFAULT_URL): URL_SELECTOR})
ADDRESS_FORM: Final = vol.Schema({vol.Required(CONF_URL): URL_SELECTOR})
KEY_FORM: Final = vol.Schema({vol.Required(CONF_API_KEY): KEY_SELECTOR})

# From the particular to the general: the first class that fits speaks.
ERRORS: Final[tuple[tuple[type[RelayError], str], ...]] = (
    (UnauthorizedError, "invalid_auth"),
    (ForbiddenError, "invalid_auth"),
    (AccountDisabledError, "account_disabled"),
    (UnsupportedRelayError, "unsupported_relay"),
    (TryAgainError, "cannot_connect"),
    (RelayError, "unknown"),
)


class EVConduitConfigFlow(AbstractOAuth2FlowHandler, domain=DOMAIN):
    """Where the relay is, and what opens it: an account that is signed in to with a browser, or a key.

    Which of the two a relay knows, it is asked; where it knows only keys, nobody is offered a choice.
    """

    DOMAIN = DOMAIN
    VERSION = 2  # 1 was the classic integration's

    def __init__(self) -> None:
        super().__init__()
        self._url = ""
        self._authorize_url: str | None = None
        self._installation = ""

    @property
    @override
    def logger(self) -> logging.Logger:
        return LOGGER

    # Where the relay is

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Add an account."""
        return await self._async_ask_address("user", NEW_ADDRESS_FORM, user_input)

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Another address, another way in, the same account."""
        return await self._async_ask_address("reconfigure", ADDRESS_FORM, user_input)

    async def async_step_reauth(self, _entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """What opened the relay is no longer good."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Say so, and go on when somebody is there."""
        errors: dict[str, str] = {}
        if user_input is not None and await self._async_look(self._entry().data[CONF_URL], errors):
            return await self.async_step_method()
        return self.async_show_form(step_id="reauth_confirm", errors=errors)

    async def _async_ask_address(
        self, step_id: str, form: vol.Schema, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        errors: dict[str, str] = {}
        if user_input is not None and await self._async_look(user_input[CONF_URL], errors):
            return await self.async_step_method()
        suggested = user_input or (None if self.source == SOURCE_USER else {CONF_URL: self._entry().data[CONF_URL]})
        filled = self.add_suggested_values_to_schema(
            form,  # type: ignore[arg-type] # voluptuous is probatio when Home Assistant runs; mypy cannot know
            suggested,
        )
        return self.async_show_form(step_id=step_id, data_schema=filled, errors=errors)

    async def _async_look(self, typed: str, errors: dict[str, str]) -> bool:
        """Whether there is a relay. Else `errors` says why not."""
        try:
            self._url = relay_address(typed)
            self._authorize_url = await find_sign_in(async_get_clientsession(self.hass), self._url)
        except ValueError:
            errors[CONF_URL] = "invalid_url"
        except RelayError as err:
            errors["base"] = _error(err)
        return not errors

    # What opens it

    async def async_step_method(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Choose how to get in, where there is a choice."""
        options = ["api_key"] if self._authorize_url is None else ["sign_in", "api_key"]
        if self.source == SOURCE_RECONFIGURE:
            options.insert(0, "keep")
        if len(options) == 1:
            return await self.async_step_api_key()
        return self.async_show_menu(
            step_id="method", menu_options=options, description_placeholders={"address": self._url}
        )

    async def async_step_sign_in(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """In another window, on the relay's own page."""
        # Only where the old access is gone may this one end it: in the other flows it is in use, should this one fail.
        known = self._entry().data.get(CONF_INSTALLATION) if self.source == SOURCE_REAUTH else None
        self._installation = known or uuid4().hex
        self.flow_impl = RelayImplementation(self.hass, self._url, self._authorize_url or "", self._installation)
        return await self.async_step_auth()

    @override
    async def async_oauth_create_entry(self, data: dict[str, Any]) -> ConfigFlowResult:
        """Somebody signed in and said yes."""
        return await self._async_finish_or_abort({CONF_URL: self._url, CONF_INSTALLATION: self._installation, **data})

    async def async_step_keep(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """The same credential, at another address."""
        entry = self._entry()
        try:
            account = await relay_client(self.hass, entry, self._url).account()
        except RelayError as err:
            return self.async_abort(reason=_error(err))
        credentials = {key: value for key, value in entry.data.items() if key in CREDENTIALS}
        return await self._async_finish(account, {CONF_URL: self._url, **credentials})

    async def async_step_api_key(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for a key until one opens an account."""
        errors: dict[str, str] = {}
        if user_input is not None:
            data = {CONF_URL: self._url, CONF_API_KEY: user_input[CONF_API_KEY].strip()}
            try:
                account = await self._client(data).account()
            except RelayError as err:
                errors["base"] = _error(err)
            else:
                return await self._async_finish(account, data)
        return self.async_show_form(
            step_id="api_key",
            data_schema=KEY_FORM,  # type: ignore[arg-type] # as above
            errors=errors,
            description_placeholders={"address": self._url},
        )

    # The end

    async def _async_finish_or_abort(self, data: dict[str, Any]) -> ConfigFlowResult:
        """Use what was just signed in for; give it back where that is not to be."""
        try:
            return await self._async_finish(await self._client(data).account(), data)
        except RelayError as err:
            await async_revoke(self.hass, data)
            return self.async_abort(reason=_error(err))
        except AbortFlow:
            await async_revoke(self.hass, data)
            raise

    async def _async_finish(self, account: Account, data: dict[str, Any]) -> ConfigFlowResult:
        await self.async_set_unique_id(account.id)
        if self.source == SOURCE_USER:
            self._abort_if_unique_id_configured()
            return self.async_create_entry(title=account.title or "EVConduit", data=data)
        self._abort_if_unique_id_mismatch(reason="account_mismatch")
        entry = self._entry()
        before = dict(entry.data)
        kept = {key: value for key, value in before.items() if key not in CREDENTIALS}
        result = self.async_update_reload_and_abort(entry, data=kept | data)
        self.hass.async_create_task(self._async_give_back(before, data), f"{DOMAIN} give back")
        return result

    async def _async_give_back(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """What let us in before, and does so no more: it would stand in the account's lists, and be told, for ever."""
        if CONF_TOKEN in before and before[CONF_TOKEN] != now.get(CONF_TOKEN):
            await async_revoke(self.hass, before)
        elif CONF_API_KEY in before and before[CONF_API_KEY] != now.get(CONF_API_KEY):
            await async_leave(before, self._client(before))

    def _client(self, data: Mapping[str, Any]) -> RelayClient:
        return client_with(self.hass, data[CONF_URL], secret_of(data))

    def _entry(self) -> ConfigEntry[Any]:
        return self._get_reauth_entry() if self.source == SOURCE_REAUTH else self._get_reconfigure_entry()


def _error(error: RelayError) -> str:
    return next(key for kind, key in ERRORS if isinstance(error, kind))
