"""What opens the relay to an entry: an API key, or the tokens of an account that was signed in to."""

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
    retry_after,
    revoke,
    token_url,
)
from .const import DOMAIN, LOGGER

CONF_INSTALLATION: Final = "installation"
"""What an entry calls itself where it signs in: random, and no secret."""
CREDENTIALS: Final = frozenset({CONF_API_KEY, CONF_TOKEN, CONF_INSTALLATION, "auth_implementation"})
"""The keys of an entry's data that let it in, of either kind."""
REFRESH_SECONDS: Final = 30
QUICK_GOODBYE_SECONDS: Final = 10


class RelayImplementation(LocalOAuth2ImplementationWithPkce):
    """Signing in at one relay. Made anew for each flow: it holds the secret of one sign-in."""

    def __init__(self, hass: HomeAssistant, url: str, authorize_url: str = "", installation: str = "") -> None:
        """The last two are only needed to sign in, not to refresh."""
        super().__init__(hass, DOMAIN, CLIENT_ID, authorize_url, token_url(url))
        self._installation = installation

    @property
    @override
    def name(self) -> str:
        return "EVConduit"

    @property
    @override
    def extra_authorize_data(self) -> dict[str, str]:
        """The name is shown to who is asked, and in the list of what has access to an account.

        What the relay knows of this `installation` already, ends as soon as it has given tokens.
        """
        about = {"scope": SCOPE, "name": self.hass.config.location_name, CONF_INSTALLATION: self._installation}
        return about | super().extra_authorize_data

    @override
    async def _token_request(self, data: dict[str, Any]) -> dict[str, Any]:
        try:
            return await super()._token_request(data)
        except OAuth2TokenRequestReauthError as err:
            if RELAY_HEADER in (err.headers or {}):
                raise
            # A gateway's 404 while the relay is down says nothing about our access.
            raise OAuth2TokenRequestTransientError(
                domain=DOMAIN,
                request_info=err.request_info,
                history=err.history,
                status=HTTPStatus.BAD_GATEWAY,
                message=err.message,
                headers=err.headers,
            ) from err


class Tokens:
    """An entry's tokens, refreshed when they are old. Raises the client's errors and no others."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry[Any], url: str) -> None:
        self._hass = hass
        self._entry = entry
        self._session = OAuth2Session(hass, entry, RelayImplementation(hass, url))

    async def async_token(self) -> str:
        """An access token that is good for a while."""
        if CONF_TOKEN not in self._entry.data:
            raise RelayConnectionError("the entry has another credential now")
        with _refreshing():
            async with asyncio.timeout(REFRESH_SECONDS):
                await self._session.async_ensure_token_valid()
        return str(self._session.token["access_token"])

    async def async_renew(self, refused: str) -> bool:
        """The relay does not know a token that should still be good: a clock was wrong, or it is revoked. Find out."""
        token: dict[str, Any] = self._entry.data.get(CONF_TOKEN) or {}
        if token.get("access_token") == refused:
            old = {**self._entry.data, CONF_TOKEN: {**token, "expires_at": 0}}
            self._hass.config_entries.async_update_entry(self._entry, data=old)
        return True


@contextmanager
def _refreshing() -> Iterator[None]:
    try:
        yield
    except OAuth2TokenRequestReauthError as err:
        raise UnauthorizedError("the relay gives no more tokens") from err
    except OAuth2TokenRequestError as err:
        wait = retry_after(err.headers.get("Retry-After") if err.headers else None)
        raise TryAgainError(f"no tokens for now (status {err.status})", retry_after=wait) from err
    except (ClientError, TimeoutError, ValueError) as err:
        raise RelayConnectionError(type(err).__name__) from err


def relay_client(hass: HomeAssistant, entry: ConfigEntry[Any], url: str | None = None) -> RelayClient:
    """A client for the entry's relay, by its own address or by another."""
    address = url or str(entry.data[CONF_URL])
    if CONF_TOKEN in entry.data:
        tokens = Tokens(hass, entry, address)
        return RelayClient(async_get_clientsession(hass), address, tokens.async_token, tokens.async_renew)
    return client_with(hass, address, secret_of(entry.data))


def client_with(hass: HomeAssistant, url: str, credential: str) -> RelayClient:
    """A client with this credential and no other."""

    async def token() -> str:
        return credential

    return RelayClient(async_get_clientsession(hass), url, token)


async def async_last_credentials(hass: HomeAssistant, data: Mapping[str, Any]) -> dict[str, Any]:
    """The data of an entry that is gone with a token that is still good, for goodbyes. It can be kept no more."""
    token = data.get(CONF_TOKEN)
    if token is None or token["expires_at"] > time.time() + QUICK_GOODBYE_SECONDS:
        return dict(data)
    try:
        with _refreshing():
            async with asyncio.timeout(QUICK_GOODBYE_SECONDS):
                fresh = await RelayImplementation(hass, data[CONF_URL]).async_refresh_token(token)
    except RelayError as err:
        LOGGER.debug("No token for a goodbye: %s", type(err).__name__)
        return dict(data)
    return {**data, CONF_TOKEN: fresh}


def secret_of(data: Mapping[str, Any]) -> str:
    """What is shown to the relay, as it is now."""
    return str(data[CONF_TOKEN]["access_token"] if CONF_TOKEN in data else data[CONF_API_KEY])


async def async_revoke(hass: HomeAssistant, data: Mapping[str, Any]) -> None:
    """Give back the access that was signed in for, as far as the relay can be reached. A key stays its owner's."""
    token = data.get(CONF_TOKEN)
    if token is None:
        return
    try:
        await revoke(async_get_clientsession(hass), data[CONF_URL], token["refresh_token"])
    except RelayError as err:
        LOGGER.debug("The access could not be given back: %s", type(err).__name__)
