"""Credentials of a config entry: an API key, or OAuth tokens."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final, override

from aiohttp import ClientError
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_API_KEY, CONF_TOKEN, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import (
    OAuth2TokenRequestError,
    OAuth2TokenRequestReauthError,
    OAuth2TokenRequestTransientError,
)
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.config_entry_oauth2_flow import LocalOAuth2ImplementationWithPkce, OAuth2Session

from .client import (
    CLIENT_ID,
    RELAY_HEADER,
    SCOPE,
    RelayClient,
    RelayConnectionError,
    RelayError,
    TryAgainError,
    UnauthorizedError,
    get_token_url,
    parse_retry_after,
    revoke_token,
)
from .const import DOMAIN, LOGGER

CONF_INSTALLATION: Final = "installation"
"""Id of this installation, sent at sign-in. Random, and not a secret."""
CREDENTIAL_KEYS: Final = frozenset({CONF_API_KEY, CONF_TOKEN, CONF_INSTALLATION, "auth_implementation"})
"""All keys of the entry's data that belong to a credential, of either kind."""
REFRESH_TIMEOUT_SECONDS: Final = 30
REMOVAL_TIMEOUT_SECONDS: Final = 10


class RelayOAuth2Implementation(LocalOAuth2ImplementationWithPkce):
    """OAuth 2 with one relay. Create one for each flow: it holds the flow's PKCE secret."""

    def __init__(self, hass: HomeAssistant, url: str, authorize_url: str = "", installation: str = "") -> None:
        """`authorize_url` and `installation` are needed to sign in, not to refresh."""
        super().__init__(hass, DOMAIN, CLIENT_ID, authorize_url, get_token_url(url))
        self._installation = installation

    @property
    @override
    def name(self) -> str:
        return "EVConduit"

    @property
    @override
    def extra_authorize_data(self) -> dict[str, str]:
        """Return the parameters of the authorization request.

        The name is shown on the consent page and in the account's list of installations.

        When the relay issues tokens, it revokes the earlier ones of the same `installation`.
        """
        parameters = {"scope": SCOPE, "name": self.hass.config.location_name, CONF_INSTALLATION: self._installation}
        return parameters | super().extra_authorize_data

    @override
    async def _token_request(self, data: dict[str, Any]) -> dict[str, Any]:
        try:
            return await super()._token_request(data)
        except OAuth2TokenRequestReauthError as err:
            if RELAY_HEADER in (err.headers or {}):
                raise
            # From a gateway, not from the relay: a 404 while the relay is down doesn't mean that access was revoked.
            raise OAuth2TokenRequestTransientError(
                domain=DOMAIN,
                request_info=err.request_info,
                history=err.history,
                status=HTTPStatus.BAD_GATEWAY,
                message=err.message,
                headers=err.headers,
            ) from err


class TokenProvider:
    """Provides an entry's access token and refreshes it. Raises only the relay client's errors."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry[Any], url: str) -> None:
        self._hass = hass
        self._entry = entry
        self._session = OAuth2Session(hass, entry, RelayOAuth2Implementation(hass, url))

    async def async_get_token(self) -> str:
        """Return a valid access token."""
        if CONF_TOKEN not in self._entry.data:
            raise RelayConnectionError("the credential has been replaced")
        with _translate_token_errors():
            async with asyncio.timeout(REFRESH_TIMEOUT_SECONDS):
                await self._session.async_ensure_token_valid()
        return str(self._session.token["access_token"])

    async def async_invalidate_token(self, refused_token: str) -> bool:
        """Mark a token as expired that the relay refused, so that the next request refreshes it. Returns True.

        The relay also refuses a token if a clock is wrong or the relay was restored from a backup. The refresh shows
        whether access was revoked.
        """
        token: dict[str, Any] = self._entry.data.get(CONF_TOKEN) or {}
        if token.get("access_token") == refused_token:
            expired = {**self._entry.data, CONF_TOKEN: {**token, "expires_at": 0}}
            self._hass.config_entries.async_update_entry(self._entry, data=expired)
        return True


@contextmanager
def _translate_token_errors() -> Iterator[None]:
    try:
        yield
    except OAuth2TokenRequestReauthError as err:
        raise UnauthorizedError("the refresh token was rejected") from err
    except OAuth2TokenRequestError as err:
        delay = parse_retry_after(err.headers.get("Retry-After") if err.headers else None)
        raise TryAgainError(f"token refresh failed (status {err.status})", retry_after=delay) from err
    except (ClientError, TimeoutError, ValueError) as err:
        raise RelayConnectionError(type(err).__name__) from err


def create_client(hass: HomeAssistant, entry: ConfigEntry[Any], url: str | None = None) -> RelayClient:
    """Create a client with the entry's credential, for its relay or for `url`."""
    relay_url = url or str(entry.data[CONF_URL])
    if CONF_TOKEN in entry.data:
        tokens = TokenProvider(hass, entry, relay_url)
        return RelayClient(
            async_get_clientsession(hass), relay_url, tokens.async_get_token, tokens.async_invalidate_token
        )
    return create_client_with_token(hass, relay_url, get_bearer_token(entry.data))


def create_client_with_token(hass: HomeAssistant, url: str, credential: str) -> RelayClient:
    """Create a client with a fixed credential that is never refreshed."""

    async def get_token() -> str:
        return credential

    return RelayClient(async_get_clientsession(hass), url, get_token)


async def async_refresh_for_removal(hass: HomeAssistant, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a removed entry's data with a valid token, if the relay can be reached. The entry can't store it."""
    token = data.get(CONF_TOKEN)
    if token is None or token["expires_at"] > time.time() + REMOVAL_TIMEOUT_SECONDS:
        return dict(data)
    try:
        with _translate_token_errors():
            async with asyncio.timeout(REMOVAL_TIMEOUT_SECONDS):
                new_token = await RelayOAuth2Implementation(hass, data[CONF_URL]).async_refresh_token(token)
    except RelayError as err:
        LOGGER.debug("Token refresh before removal failed: %s", type(err).__name__)
        return dict(data)
    return {**data, CONF_TOKEN: new_token}


def get_bearer_token(data: Mapping[str, Any]) -> str:
    """Return the API key or access token, without refreshing it."""
    return str(data[CONF_TOKEN]["access_token"] if CONF_TOKEN in data else data[CONF_API_KEY])


async def async_revoke_tokens(hass: HomeAssistant, data: Mapping[str, Any]) -> None:
    """Revoke the OAuth tokens, if the relay can be reached. An API key is not revoked: the user created it."""
    token = data.get(CONF_TOKEN)
    if token is None:
        return
    try:
        await revoke_token(async_get_clientsession(hass), data[CONF_URL], token["refresh_token"])
    except RelayError as err:
        LOGGER.debug("Token revocation failed: %s", type(err).__name__)
