from collections.abc import Mapping
from typing import Any, Final, override

import voluptuous as vol
from homeassistant.config_entries import SOURCE_REAUTH, SOURCE_USER, ConfigEntry, ConfigFlow, ConfigFlowResult
from homeassistant.const import CONF_API_KEY, CONF_URL
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig, TextSelectorType

from .client import (
    Account,
    ForbiddenError,
    RelayClient,
    RelayError,
    TryAgainError,
    UnauthorizedError,
    UnsupportedRelayError,
    relay_address,
)
from .const import DEFAULT_URL, DOMAIN

URL_SELECTOR: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.URL, autocomplete="url"))
KEY_SELECTOR: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off"))

USER_FORM: Final = vol.Schema(
    {
        vol.Required(CONF_URL, default=DEFAULT_URL): URL_SELECTOR,
        vol.Required(CONF_API_KEY): KEY_SELECTOR,
    }
)
REAUTH_FORM: Final = vol.Schema({vol.Required(CONF_API_KEY): KEY_SELECTOR})
RECONFIGURE_FORM: Final = vol.Schema({vol.Required(CONF_URL): URL_SELECTOR, vol.Optional(CONF_API_KEY): KEY_SELECTOR})

# From the particular to the general: the first class that fits speaks.
ERRORS: Final[tuple[tuple[type[RelayError], str], ...]] = (
    (UnauthorizedError, "invalid_auth"),
    (ForbiddenError, "invalid_auth"),
    (UnsupportedRelayError, "unsupported_relay"),
    (TryAgainError, "cannot_connect"),
    (RelayError, "unknown"),
)


class EVConduitConfigFlow(ConfigFlow, domain=DOMAIN):
    """Where the relay is, and a key to it."""

    VERSION = 2  # 1 was the classic integration's

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Add an account."""
        return await self._async_step("user", USER_FORM, user_input)

    async def async_step_reauth(self, _entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """The key is no longer good."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for another key to the same account."""
        return await self._async_step("reauth_confirm", REAUTH_FORM, user_input)

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Another address, another key, the same account."""
        return await self._async_step("reconfigure", RECONFIGURE_FORM, user_input)

    async def _async_step(self, step_id: str, form: vol.Schema, user_input: dict[str, Any] | None) -> ConfigFlowResult:
        """Show the form until what was typed opens an account."""
        known = self._known()
        errors: dict[str, str] = {}
        if user_input is not None:
            typed = {key: value.strip() for key, value in user_input.items()}
            data = known | {key: value for key, value in typed.items() if value or key not in known}
            account = await self._async_open(data, errors)
            if account is not None:
                return await self._async_finish(account, data)
        suggested = {CONF_URL: known.get(CONF_URL)} | (user_input or {})
        suggested.pop(CONF_API_KEY, None)  # a secret does not go back to the browser
        filled = self.add_suggested_values_to_schema(
            form,  # type: ignore[arg-type] # voluptuous is probatio when Home Assistant runs; mypy cannot know
            suggested if any(suggested.values()) else None,
        )
        return self.async_show_form(step_id=step_id, data_schema=filled, errors=errors)

    def _known(self) -> dict[str, str]:
        """What the entry has so far; nothing for a new one."""
        if self.source == SOURCE_USER:
            return {}
        return dict(self._entry().data)

    def _entry(self) -> ConfigEntry[Any]:
        return self._get_reauth_entry() if self.source == SOURCE_REAUTH else self._get_reconfigure_entry()

    async def _async_open(self, data: dict[str, str], errors: dict[str, str]) -> Account | None:
        """The account behind address and key. Else None, and `errors` says why."""
        try:
            data[CONF_URL] = relay_address(data[CONF_URL])
        except ValueError:
            errors[CONF_URL] = "invalid_url"
            return None

        async def api_key() -> str:
            return data[CONF_API_KEY]

        try:
            return await RelayClient(async_get_clientsession(self.hass), data[CONF_URL], api_key).account()
        except RelayError as err:
            errors["base"] = next(key for kind, key in ERRORS if isinstance(err, kind))
            return None

    async def _async_finish(self, account: Account, data: dict[str, str]) -> ConfigFlowResult:
        await self.async_set_unique_id(account.id)
        if self.source == SOURCE_USER:
            self._abort_if_unique_id_configured()
            return self.async_create_entry(title=account.title or "EVConduit", data=data)
        self._abort_if_unique_id_mismatch(reason="account_mismatch")
        return self.async_update_reload_and_abort(self._entry(), data=data)
