import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, override
from uuid import uuid4

import voluptuous as vol
from homeassistant.config_entries import (
    SOURCE_REAUTH,
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigFlowResult,
    ConfigSubentryFlow,
    OptionsFlow,
)
from homeassistant.const import CONF_API_KEY, CONF_TOKEN, CONF_URL
from homeassistant.core import callback
from homeassistant.data_entry_flow import AbortFlow
from homeassistant.helpers.config_entry_oauth2_flow import AbstractOAuth2FlowHandler
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig, TextSelectorType
from homeassistant.helpers.service_info.hassio import HassioServiceInfo
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo

from .abrp import SUBENTRY_TYPE as ABRP_SUBENTRY_TYPE
from .abrp_flow import AbrpSubentryFlow
from .classic_entry import is_classic_entry, is_pending_entry
from .client import Account, RelayClient, RelayError, UnauthorizedError, format_fingerprint, get_tls_check
from .const import DEFAULT_URL, DOMAIN, LOGGER
from .credentials import (
    CONF_FINGERPRINT,
    CONF_INSTALLATION,
    CREDENTIAL_KEYS,
    RelayOAuth2Implementation,
    async_revoke_tokens,
    create_client_for_relay,
    create_client_with_token,
)
from .discovery import CONF_INSTANCE_ID, DiscoveredRelay, async_update_from_supervisor, is_configured
from .options_flow import EVConduitOptionsFlow
from .relay_search import INVALID_URL, FoundRelay, UntrustedRelay, async_search_relay, get_error_key
from .vehicle_subentry_flow import SUBENTRY_TYPE_VEHICLE, VehicleSubentryFlow, async_offer_first_vehicle
from .webhook_registration import async_delete_endpoint

EXAMPLE_URL: Final = "http://192.168.1.20:8300"  # a placeholder, because hassfest rejects URLs in translations

URL_SELECTOR: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.URL, autocomplete="url"))
KEY_SELECTOR: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off"))

URL_SCHEMA: Final = vol.Schema({vol.Required(CONF_URL): URL_SELECTOR})
API_KEY_SCHEMA: Final = vol.Schema({vol.Required(CONF_API_KEY): KEY_SELECTOR})
URL_AND_API_KEY_SCHEMA: Final = vol.Schema(
    {vol.Required(CONF_URL, default=DEFAULT_URL): URL_SELECTOR, vol.Required(CONF_API_KEY): KEY_SELECTOR}
)
UPDATING_SOURCES: Final = frozenset({SOURCE_REAUTH, SOURCE_RECONFIGURE})
"""Sources of flows that change an entry instead of creating one."""

type Step = Callable[[], Awaitable[ConfigFlowResult]]


class EVConduitConfigFlow(AbstractOAuth2FlowHandler, domain=DOMAIN):
    """Finds the relay, then asks for a credential: signing in with OAuth, or an API key.

    The relay's metadata shows whether it supports OAuth. If not, the flow goes straight to the API key.
    """

    DOMAIN = DOMAIN
    VERSION = 2  # version 1 is the classic integration

    def __init__(self) -> None:
        super().__init__()
        self._relay = FoundRelay(url="", authorize_url=None)
        self._untrusted: UntrustedRelay | None = None
        self._trusted: frozenset[str] = frozenset()
        self._address_step: Step | None = None
        """The form to return to if the user doesn't trust the certificate."""
        self._next_step: Step = self.async_step_method
        """What follows when the relay is found."""
        self._installation = ""
        self._placeholders: dict[str, str] = {}
        """Of the error that is shown."""

    @property
    @override
    def logger(self) -> logging.Logger:
        return LOGGER

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry[Any]) -> OptionsFlow:
        return EVConduitOptionsFlow()

    @classmethod
    @callback
    @override
    def async_supports_options_flow(cls, config_entry: ConfigEntry[Any]) -> bool:
        return not is_classic_entry(config_entry)

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(cls, config_entry: ConfigEntry[Any]) -> dict[str, type[ConfigSubentryFlow]]:
        if is_classic_entry(config_entry):
            return {}
        return {SUBENTRY_TYPE_VEHICLE: VehicleSubentryFlow, ABRP_SUBENTRY_TYPE: AbrpSubentryFlow}

    @override
    async def async_step_user(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Add an account: choose where it is."""
        return self.async_show_menu(step_id="user", menu_options=["cloud", "own_relay", "api_key"])

    async def async_step_cloud(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Sign in to the EVConduit cloud, whose address is known."""
        errors: dict[str, str] = {}
        if (step := await self._async_find_relay(DEFAULT_URL, errors, self._async_step_credential)) is not None:
            return step
        return self.async_show_form(step_id="cloud", errors=errors, description_placeholders=self._placeholders)

    async def async_step_own_relay(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the address of a self-hosted relay."""
        self._address_step = self.async_step_own_relay
        return await self._async_show_url_form("own_relay", user_input, user_input)

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Change the URL or the credential of the same account."""
        entry = self._get_entry()
        if is_classic_entry(entry):
            return self.async_abort(reason="classic_entry")
        self._address_step = self.async_step_reconfigure
        self._trust_certificate_of(entry)
        return await self._async_show_url_form("reconfigure", user_input, user_input or entry.data)

    async def async_step_reauth(self, _entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Handle a credential that was revoked or expired, or a certificate that changed."""
        entry = self._get_entry()
        if is_classic_entry(entry):
            return self.async_abort(reason="classic_entry")
        self._trust_certificate_of(entry)
        if CONF_FINGERPRINT in entry.data:
            step = await self._async_find_relay(entry.data[CONF_URL], {}, self._async_step_check_credential)
            if step is not None:
                return step
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Explain, and continue when the user is ready to sign in."""
        errors: dict[str, str] = {}
        if user_input is not None:
            address = self._get_entry().data[CONF_URL]
            if (step := await self._async_find_relay(address, errors, self.async_step_method)) is not None:
                return step
        return self.async_show_form(
            step_id="reauth_confirm", errors=errors, description_placeholders=self._placeholders
        )

    @override
    async def async_step_hassio(self, discovery_info: HassioServiceInfo) -> ConfigFlowResult:
        """Set up the relay of the add-on, which reports itself through the Supervisor."""
        discovered = DiscoveredRelay.parse_from_supervisor(discovery_info)
        if discovered is not None:
            async_update_from_supervisor(self.hass, discovered)
        return await self._async_step_discovered(discovered)

    @override
    async def async_step_zeroconf(self, discovery_info: ZeroconfServiceInfo) -> ConfigFlowResult:
        """Set up a relay that announces itself on the local network."""
        return await self._async_step_discovered(DiscoveredRelay.parse_from_zeroconf(discovery_info))

    async def _async_step_discovered(self, discovered: DiscoveredRelay | None) -> ConfigFlowResult:
        """Offer a discovered relay, unless it has an entry."""
        if discovered is None:
            return self.async_abort(reason="invalid_discovery")
        await self.async_set_unique_id(discovered.instance_id)
        self._abort_if_unique_id_configured()  # also if the user ignores it
        if is_configured(self.hass, discovered):
            return self.async_abort(reason="already_configured")
        self.context["title_placeholders"] = {"name": discovered.host}
        errors: dict[str, str] = {}
        step = await self._async_find_relay(discovered.url, errors, self.async_step_method)
        return step or self._abort_with_error(errors)

    async def _async_show_url_form(
        self, step_id: str, user_input: dict[str, Any] | None, suggested: Mapping[str, Any] | None
    ) -> ConfigFlowResult:
        errors: dict[str, str] = {}
        if user_input is not None:
            step = await self._async_find_relay(user_input[CONF_URL], errors, self.async_step_method)
            if step is not None:
                return step
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                URL_SCHEMA,  # type: ignore[arg-type] # Home Assistant replaces voluptuous with probatio at run time
                suggested,
            ),
            errors=errors,
            description_placeholders={"example_url": EXAMPLE_URL, **self._placeholders},
        )

    async def _async_find_relay(self, address: str, errors: dict[str, str], next_step: Step) -> ConfigFlowResult | None:
        """Find the relay, then do `next_step` or ask about its certificate. None if there is no relay, see `errors`."""
        result = await async_search_relay(self.hass, address, self._trusted)
        match result:
            case FoundRelay():
                self._relay, self._untrusted = result, None
                return await next_step()
            case UntrustedRelay():
                self._untrusted, self._next_step = result, next_step
                is_changed = self.source == SOURCE_REAUTH
                return await (self.async_step_certificate_changed() if is_changed else self.async_step_certificate())
        errors[CONF_URL if result.key == INVALID_URL else "base"] = result.key
        self._placeholders = {"location": result.location or "?"} if result.key == "redirected" else {}
        return None

    async def async_step_certificate(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Show the certificate that isn't trusted, and let the user trust exactly this one."""
        return self._show_certificate(
            "certificate",
            ["trust_certificate"] if self._address_step is None else ["trust_certificate", "other_address"],
        )

    async def async_step_certificate_changed(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Show the certificate that replaced the trusted one, and let the user trust it instead."""
        return self._show_certificate("certificate_changed", ["trust_certificate"])

    def _show_certificate(self, step_id: str, options: list[str]) -> ConfigFlowResult:
        assert self._untrusted is not None  # noqa: S101 - set before this step
        return self.async_show_menu(
            step_id=step_id,
            menu_options=options,
            description_placeholders={
                "address": self._untrusted.url,
                "fingerprint": format_fingerprint(self._untrusted.fingerprint),
            },
        )

    async def async_step_trust_certificate(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Trust the certificate that was shown. If the server presents another one by now, ask again."""
        assert self._untrusted is not None  # noqa: S101 - set before this step
        self._trusted |= {self._untrusted.fingerprint}
        errors: dict[str, str] = {}
        step = await self._async_find_relay(self._untrusted.url, errors, self._next_step)
        return step or self._abort_with_error(errors)

    async def async_step_other_address(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Return to the form for the address."""
        assert self._address_step is not None  # noqa: S101 - the option isn't offered otherwise
        return await self._address_step()

    async def _async_step_credential(self) -> ConfigFlowResult:
        """Sign in if the relay supports it. The menu before this step has already offered the API key."""
        return await (self.async_step_api_key() if self._relay.authorize_url is None else self.async_step_sign_in())

    async def async_step_method(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Choose the credential, if there is a choice."""
        options = ["api_key"] if self._relay.authorize_url is None else ["sign_in", "api_key"]
        if self.source == SOURCE_RECONFIGURE:
            options.insert(0, "keep")
        if len(options) == 1:
            return await self.async_step_api_key()
        return self.async_show_menu(
            step_id="method", menu_options=options, description_placeholders={"address": self._relay.url}
        )

    async def async_step_sign_in(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Sign in on the relay's page, in another window."""
        # With the same id, the relay revokes the old tokens. Outside reauth they are still in use if this flow fails.
        current = self._get_entry().data.get(CONF_INSTALLATION) if self.source == SOURCE_REAUTH else None
        self._installation = current or uuid4().hex
        self.flow_impl = RelayOAuth2Implementation(
            self.hass,
            self._relay.url,
            self._relay.authorize_url or "",
            self._installation,
            tls_check=get_tls_check(self._relay.fingerprint),
        )
        return await self.async_step_auth()

    @override
    async def async_oauth_create_entry(self, data: dict[str, Any]) -> ConfigFlowResult:
        """Finish after the user signed in and allowed access."""
        return await self._async_finish_sign_in(self._with_relay({CONF_INSTALLATION: self._installation, **data}))

    async def async_step_keep(self, _user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Keep the credential and change only the URL."""
        try:
            account = await self._get_account_of_entry()
        except RelayError as err:
            return self.async_abort(reason=get_error_key(err))
        return await self._async_keep_credential(account)

    async def _async_step_check_credential(self) -> ConfigFlowResult:
        """Keep the credential if it still works: only the certificate changed. Otherwise ask for another one."""
        try:
            account = await self._get_account_of_entry()
        except UnauthorizedError:
            return await self.async_step_reauth_confirm()
        except RelayError as err:
            return self.async_abort(reason=get_error_key(err))
        return await self._async_keep_credential(account)

    async def _get_account_of_entry(self) -> Account:
        entry = self._get_entry()
        return await create_client_for_relay(self.hass, entry, self._relay.url, self._relay.fingerprint).get_account()

    async def _async_keep_credential(self, account: Account) -> ConfigFlowResult:
        credentials = {key: value for key, value in self._get_entry().data.items() if key in CREDENTIAL_KEYS}
        return await self._async_create_or_update_entry(account, self._with_relay(credentials))

    async def async_step_api_key(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for an API key until the relay accepts one, and for the relay's address if it isn't known."""
        if not self._relay.url:
            return await self.async_step_address_and_key()
        errors: dict[str, str] = {}
        if user_input is not None:
            step = await self._async_try_key(user_input[CONF_API_KEY], errors)
            if step is not None:
                return step
        return self._show_api_key_form(errors)

    async def async_step_address_and_key(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the relay's address and an API key."""
        self._address_step = self.async_step_address_and_key
        errors: dict[str, str] = {}
        if user_input is not None:

            async def try_key() -> ConfigFlowResult:
                key_errors: dict[str, str] = {}
                step = await self._async_try_key(user_input[CONF_API_KEY], key_errors)
                return step or self._show_api_key_form(key_errors)

            if (step := await self._async_find_relay(user_input[CONF_URL], errors, try_key)) is not None:
                return step
        return self.async_show_form(
            step_id="address_and_key",
            data_schema=self.add_suggested_values_to_schema(
                URL_AND_API_KEY_SCHEMA,  # type: ignore[arg-type] # as above
                user_input,
            ),
            errors=errors,
            description_placeholders={"example_url": EXAMPLE_URL, **self._placeholders},
        )

    async def _async_try_key(self, key: str, errors: dict[str, str]) -> ConfigFlowResult | None:
        data = self._with_relay({CONF_API_KEY: key.strip()})
        try:
            account = await self._create_client(data).get_account()
        except RelayError as err:
            errors["base"] = get_error_key(err)
            return None
        return await self._async_create_or_update_entry(account, data)

    def _show_api_key_form(self, errors: dict[str, str]) -> ConfigFlowResult:
        return self.async_show_form(
            step_id="api_key",
            data_schema=API_KEY_SCHEMA,  # type: ignore[arg-type] # as above
            errors=errors,
            description_placeholders={"address": self._relay.url},
        )

    async def _async_finish_sign_in(self, data: dict[str, Any]) -> ConfigFlowResult:
        """Create or update the entry with new tokens. Revoke them if that fails."""
        try:
            return await self._async_create_or_update_entry(await self._create_client(data).get_account(), data)
        except RelayError as err:
            await async_revoke_tokens(self.hass, data)
            return self.async_abort(reason=get_error_key(err))
        except AbortFlow:
            await async_revoke_tokens(self.hass, data)
            raise

    async def _async_create_or_update_entry(self, account: Account, data: dict[str, Any]) -> ConfigFlowResult:
        await self.async_set_unique_id(account.id)
        if account.instance_id is not None:
            data = {**data, CONF_INSTANCE_ID: account.instance_id}
        if self.source not in UPDATING_SOURCES:
            self._abort_if_unique_id_configured()
            return self.async_create_entry(title=account.title or "EVConduit", data=data)
        entry = self._get_entry()
        if not is_pending_entry(entry):  # its account isn't known yet; setup merges it into the account's entry
            self._abort_if_unique_id_mismatch(reason="account_mismatch")
        previous = dict(entry.data)
        replaced = {*CREDENTIAL_KEYS, CONF_FINGERPRINT, CONF_INSTANCE_ID}
        other_data = {key: value for key, value in previous.items() if key not in replaced}
        result = self.async_update_reload_and_abort(entry, data=other_data | data)
        self.hass.async_create_task(self._async_release_old_credential(previous, data), f"{DOMAIN} release credential")
        return result

    @override
    async def async_on_create_entry(self, result: ConfigFlowResult) -> ConfigFlowResult:
        """Continue with adding a car if the account has none."""
        return await async_offer_first_vehicle(self.hass, result)

    async def _async_release_old_credential(self, previous: Mapping[str, Any], current: Mapping[str, Any]) -> None:
        """Revoke replaced tokens, or delete the endpoint of a replaced API key.

        Otherwise the relay would list the old installation and POST to it forever.
        """
        if CONF_TOKEN in previous and previous[CONF_TOKEN] != current.get(CONF_TOKEN):
            await async_revoke_tokens(self.hass, previous)
        elif CONF_API_KEY in previous and previous[CONF_API_KEY] != current.get(CONF_API_KEY):
            await async_delete_endpoint(previous, self._create_client(previous))

    def _abort_with_error(self, errors: dict[str, str]) -> ConfigFlowResult:
        (reason,) = errors.values()
        return self.async_abort(reason="cannot_connect" if reason == INVALID_URL else reason)

    def _trust_certificate_of(self, entry: ConfigEntry[Any]) -> None:
        if CONF_FINGERPRINT in entry.data:
            self._trusted |= {entry.data[CONF_FINGERPRINT]}

    def _with_relay(self, credential: Mapping[str, Any]) -> dict[str, Any]:
        """Return an entry's data: the relay's address, the certificate that the user trusts, and the credential."""
        fingerprint = self._relay.fingerprint
        trust = {} if fingerprint is None else {CONF_FINGERPRINT: fingerprint}
        return {CONF_URL: self._relay.url, **trust, **credential}

    def _create_client(self, data: Mapping[str, Any]) -> RelayClient:
        return create_client_with_token(self.hass, data)

    def _get_entry(self) -> ConfigEntry[Any]:
        return self._get_reauth_entry() if self.source == SOURCE_REAUTH else self._get_reconfigure_entry()
