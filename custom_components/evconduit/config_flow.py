import logging
from collections.abc import Mapping
from typing import Any, Final, override
from uuid import uuid4

import voluptuous as vol
from homeassistant.config_entries import (
    SOURCE_REAUTH,
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigEntry,
    ConfigFlowResult,
    ConfigSubentryFlow,
)
from homeassistant.const import CONF_API_KEY, CONF_TOKEN, CONF_URL
from homeassistant.core import callback
from homeassistant.data_entry_flow import AbortFlow
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.config_entry_oauth2_flow import AbstractOAuth2FlowHandler
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig, TextSelectorType

from .abrp import SUBENTRY_TYPE as ABRP_SUBENTRY_TYPE
from .abrp_flow import AbrpSubentryFlow
from .classic_entry import is_classic_entry, is_pending_entry
from .client import (
    Account,
    AccountDisabledError,
    CertificateError,
    ForbiddenError,
    NoTlsError,
    RedirectedError,
    RelayClient,
    RelayConnectionError,
    RelayError,
    TryAgainError,
    UnauthorizedError,
    UnsupportedRelayError,
    find_relay,
    has_scheme,
    list_relay_urls,
)
from .const import DEFAULT_URL, DOMAIN, LOGGER
from .credentials import (
    CONF_INSTALLATION,
    CREDENTIAL_KEYS,
    RelayOAuth2Implementation,
    async_revoke_tokens,
    create_client,
    create_client_with_token,
    get_bearer_token,
)
from .webhook_registration import async_delete_endpoint

EXAMPLE_URL: Final = "http://192.168.1.20:8300"  # a placeholder, because hassfest rejects URLs in translations

URL_SELECTOR: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.URL, autocomplete="url"))
KEY_SELECTOR: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off"))

USER_SCHEMA: Final = vol.Schema({vol.Required(CONF_URL, default=DEFAULT_URL): URL_SELECTOR})
RECONFIGURE_SCHEMA: Final = vol.Schema({vol.Required(CONF_URL): URL_SELECTOR})
API_KEY_SCHEMA: Final = vol.Schema({vol.Required(CONF_API_KEY): KEY_SELECTOR})

# The first class that matches is used: subclasses come before their base.
ERROR_KEYS: Final[tuple[tuple[type[RelayError], str], ...]] = (
    (UnauthorizedError, "invalid_auth"),
    (ForbiddenError, "invalid_auth"),
    (AccountDisabledError, "account_disabled"),
    (RedirectedError, "redirected"),
    (UnsupportedRelayError, "unsupported_relay"),
    (CertificateError, "invalid_certificate"),
    (NoTlsError, "no_tls"),
    (TryAgainError, "cannot_connect"),
    (RelayError, "unknown"),
)
GUESS_ERRORS: Final = frozenset({"cannot_connect", "no_tls", "unknown"})
"""What an address without a scheme gets if it is no address of a server at all."""


class EVConduitConfigFlow(AbstractOAuth2FlowHandler, domain=DOMAIN):
    """Asks for the relay's URL, then for a credential: signing in with OAuth, or an API key.

    The relay's metadata shows whether it supports OAuth. If not, the flow goes straight to the API key.
    """

    DOMAIN = DOMAIN
    VERSION = 2  # version 1 is the classic integration

    def __init__(self) -> None:
        super().__init__()
        self._url = ""
        self._authorize_url: str | None = None
        self._installation = ""
        self._placeholders: dict[str, str] = {}
        """Of the error that is shown."""

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(cls, config_entry: ConfigEntry[Any]) -> dict[str, type[ConfigSubentryFlow]]:
        """Return the dialogs of what an entry can have several of."""
        return {ABRP_SUBENTRY_TYPE: AbrpSubentryFlow}

    @property
    @override
    def logger(self) -> logging.Logger:
        return LOGGER

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Add an account: ask for the relay's URL."""
        return await self._async_show_url_form("user", USER_SCHEMA, user_input)

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Change the URL or the credential of the same account."""
        if is_classic_entry(self._get_entry()):
            return self.async_abort(reason="classic_entry")
        return await self._async_show_url_form("reconfigure", RECONFIGURE_SCHEMA, user_input)

    async def async_step_reauth(self, _entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Handle a credential that was revoked or expired."""
        if is_classic_entry(self._get_entry()):
            return self.async_abort(reason="classic_entry")
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Explain, and continue when the user is ready to sign in."""
        errors: dict[str, str] = {}
        if user_input is not None and await self._async_find_relay(self._get_entry().data[CONF_URL], errors):
            return await self.async_step_method()
        return self.async_show_form(
            step_id="reauth_confirm", errors=errors, description_placeholders=self._placeholders
        )

    async def _async_show_url_form(
        self, step_id: str, schema: vol.Schema, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        errors: dict[str, str] = {}
        if user_input is not None and await self._async_find_relay(user_input[CONF_URL], errors):
            return await self.async_step_method()
        suggested = user_input or (None if self.source == SOURCE_USER else {CONF_URL: self._get_entry().data[CONF_URL]})
        data_schema = self.add_suggested_values_to_schema(
            schema,  # type: ignore[arg-type] # Home Assistant replaces voluptuous with probatio at run time
            suggested,
        )
        return self.async_show_form(
            step_id=step_id,
            data_schema=data_schema,
            errors=errors,
            description_placeholders={"example_url": EXAMPLE_URL, **self._placeholders},
        )

    async def _async_find_relay(self, address: str, errors: dict[str, str]) -> bool:
        """Find the relay and its authorization page. Return False with `errors` filled if there is none."""
        try:
            urls = list_relay_urls(address)
        except ValueError:
            errors[CONF_URL] = "invalid_url"
            return False
        found: RelayError | None = None
        for url in urls:
            try:
                self._url, self._authorize_url = await find_relay(async_get_clientsession(self.hass), url)
            except RelayError as err:
                is_silent = isinstance(err, RelayConnectionError) and not isinstance(err, CertificateError)
                found = found if is_silent and found is not None else err
            except Exception:  # noqa: BLE001 - logged, and shown as "unknown", as in Home Assistant's own flows
                LOGGER.exception("Unexpected error while looking for a relay")
                found = found or RelayError("unexpected error")
            else:
                return True
        self._set_error(found, errors, is_complete=has_scheme(address))
        return False

    def _set_error(self, error: RelayError | None, errors: dict[str, str], *, is_complete: bool) -> None:
        """Describe why there is no relay. Nothing may have responded because a part of the address is missing."""
        if error is None or (not is_complete and _get_error_key(error) in GUESS_ERRORS):
            errors[CONF_URL] = "invalid_url"
            return
        errors["base"] = _get_error_key(error)
        if isinstance(error, RedirectedError):
            self._placeholders = {"location": str(error.location.origin()) if error.location else "?"}

    async def async_step_method(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Choose the credential, if there is a choice."""
        options = ["api_key"] if self._authorize_url is None else ["sign_in", "api_key"]
        if self.source == SOURCE_RECONFIGURE:
            options.insert(0, "keep")
        if len(options) == 1:
            return await self.async_step_api_key()
        return self.async_show_menu(
            step_id="method", menu_options=options, description_placeholders={"address": self._url}
        )

    async def async_step_sign_in(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Sign in on the relay's page, in another window."""
        # With the same id, the relay revokes the old tokens. Outside reauth they are still in use if this flow fails.
        current = self._get_entry().data.get(CONF_INSTALLATION) if self.source == SOURCE_REAUTH else None
        self._installation = current or uuid4().hex
        self.flow_impl = RelayOAuth2Implementation(self.hass, self._url, self._authorize_url or "", self._installation)
        return await self.async_step_auth()

    @override
    async def async_oauth_create_entry(self, data: dict[str, Any]) -> ConfigFlowResult:
        """Finish after the user signed in and allowed access."""
        return await self._async_finish_sign_in({CONF_URL: self._url, CONF_INSTALLATION: self._installation, **data})

    async def async_step_keep(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Keep the credential and change only the URL."""
        entry = self._get_entry()
        try:
            account = await create_client(self.hass, entry, self._url).get_account()
        except RelayError as err:
            return self.async_abort(reason=_get_error_key(err))
        credentials = {key: value for key, value in entry.data.items() if key in CREDENTIAL_KEYS}
        return await self._async_create_or_update_entry(account, {CONF_URL: self._url, **credentials})

    async def async_step_api_key(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for an API key until the relay accepts one."""
        errors: dict[str, str] = {}
        if user_input is not None:
            data = {CONF_URL: self._url, CONF_API_KEY: user_input[CONF_API_KEY].strip()}
            try:
                account = await self._create_client(data).get_account()
            except RelayError as err:
                errors["base"] = _get_error_key(err)
            else:
                return await self._async_create_or_update_entry(account, data)
        return self.async_show_form(
            step_id="api_key",
            data_schema=API_KEY_SCHEMA,  # type: ignore[arg-type] # as above
            errors=errors,
            description_placeholders={"address": self._url},
        )

    async def _async_finish_sign_in(self, data: dict[str, Any]) -> ConfigFlowResult:
        """Create or update the entry with new tokens. Revoke them if that fails."""
        try:
            return await self._async_create_or_update_entry(await self._create_client(data).get_account(), data)
        except RelayError as err:
            await async_revoke_tokens(self.hass, data)
            return self.async_abort(reason=_get_error_key(err))
        except AbortFlow:
            await async_revoke_tokens(self.hass, data)
            raise

    async def _async_create_or_update_entry(self, account: Account, data: dict[str, Any]) -> ConfigFlowResult:
        await self.async_set_unique_id(account.id)
        if self.source == SOURCE_USER:
            self._abort_if_unique_id_configured()
            return self.async_create_entry(title=account.title or "EVConduit", data=data)
        entry = self._get_entry()
        if not is_pending_entry(entry):  # its account isn't known yet; setup merges it into the account's entry
            self._abort_if_unique_id_mismatch(reason="account_mismatch")
        previous = dict(entry.data)
        other_data = {key: value for key, value in previous.items() if key not in CREDENTIAL_KEYS}
        result = self.async_update_reload_and_abort(entry, data=other_data | data)
        self.hass.async_create_task(self._async_release_old_credential(previous, data), f"{DOMAIN} release credential")
        return result

    async def _async_release_old_credential(self, previous: Mapping[str, Any], current: Mapping[str, Any]) -> None:
        """Revoke replaced tokens, or delete the endpoint of a replaced API key.

        Otherwise the relay would list the old installation and POST to it forever.
        """
        if CONF_TOKEN in previous and previous[CONF_TOKEN] != current.get(CONF_TOKEN):
            await async_revoke_tokens(self.hass, previous)
        elif CONF_API_KEY in previous and previous[CONF_API_KEY] != current.get(CONF_API_KEY):
            await async_delete_endpoint(previous, self._create_client(previous))

    def _create_client(self, data: Mapping[str, Any]) -> RelayClient:
        return create_client_with_token(self.hass, data[CONF_URL], get_bearer_token(data))

    def _get_entry(self) -> ConfigEntry[Any]:
        return self._get_reauth_entry() if self.source == SOURCE_REAUTH else self._get_reconfigure_entry()


def _get_error_key(error: RelayError) -> str:
    return next(key for error_type, key in ERROR_KEYS if isinstance(error, error_type))
