"""Credentials of a config entry: an API key, or OAuth tokens."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final, override

from aiohttp import ClientError, ClientResponseError, ServerFingerprintMismatch
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_API_KEY, CONF_TOKEN, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import (
    OAuth2TokenRequestConnectionError,
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
    CertificateChangedError,
    RelayClient,
    RelayConnectionError,
    RelayError,
    TlsCheck,
    TryAgainError,
    UnauthorizedError,
    get_tls_check,
    get_token_url,
    parse_retry_after,
    revoke_token,
)
from .const import DOMAIN, LOGGER

CONF_INSTALLATION: Final = "installation"
"""Id of this installation, sent at sign-in. Random, and not a secret."""
CONF_FINGERPRINT: Final = "certificate_fingerprint"
"""SHA-256 of the relay's certificate that the user trusts, in hexadecimal digits. Absent: as for any server."""
CREDENTIAL_KEYS: Final = frozenset({CONF_API_KEY, CONF_TOKEN, CONF_INSTALLATION, "auth_implementation"})
"""All keys of the entry's data that belong to a credential, of either kind."""
REFRESH_TIMEOUT_SECONDS: Final = 30
REMOVAL_TIMEOUT_SECONDS: Final = 10


class RelayOAuth2Implementation(LocalOAuth2ImplementationWithPkce):
    """OAuth 2 with one relay. Create one for each flow: it holds the flow's PKCE secret."""

    def __init__(
        self,
        hass: HomeAssistant,
        url: str,
        authorize_url: str = "",
        installation: str = "",
        *,
        tls_check: TlsCheck = True,
    ) -> None:
        """`authorize_url` and `installation` are needed to sign in, not to refresh."""
        super().__init__(hass, DOMAIN, CLIENT_ID, authorize_url, get_token_url(url))
        self._installation = installation
        self._tls_check = tls_check

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
            if self._tls_check is True:
                return await super()._token_request(data)
            return await self._async_request_with_trusted_certificate(data)
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

    async def _async_request_with_trusted_certificate(self, data: dict[str, Any]) -> dict[str, Any]:
        """Request tokens as Home Assistant's helper does, which can't be told to trust a certificate."""
        try:
            async with async_get_clientsession(self.hass).post(
                self.token_url, data={**data, "client_id": self.client_id}, ssl=self._tls_check, allow_redirects=False
            ) as response:
                response.raise_for_status()
                tokens: dict[str, Any] = await response.json()
                return tokens
        except ClientResponseError as err:
            error_type: type[OAuth2TokenRequestError] = OAuth2TokenRequestTransientError
            is_refused = HTTPStatus.BAD_REQUEST <= err.status < HTTPStatus.INTERNAL_SERVER_ERROR
            if is_refused and err.status != HTTPStatus.TOO_MANY_REQUESTS:
                error_type = OAuth2TokenRequestReauthError
            raise error_type(
                domain=DOMAIN,
                request_info=err.request_info,
                history=err.history,
                status=err.status,
                message=err.message,
                headers=err.headers,
            ) from err
        except ClientError as err:
            raise OAuth2TokenRequestConnectionError(domain=DOMAIN) from err


class TokenProvider:
    """Provides an entry's access token and refreshes it. Raises only the relay client's errors."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry[Any], url: str, tls_check: TlsCheck) -> None:
        self._hass = hass
        self._entry = entry
        self._session = OAuth2Session(hass, entry, RelayOAuth2Implementation(hass, url, tls_check=tls_check))

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
    except OAuth2TokenRequestConnectionError as err:
        if isinstance(err.__cause__, ServerFingerprintMismatch):
            raise CertificateChangedError("the certificate is not the trusted one") from err
        raise RelayConnectionError(type(err).__name__) from err
    except OAuth2TokenRequestError as err:
        delay = parse_retry_after(err.headers.get("Retry-After") if err.headers else None)
        raise TryAgainError(f"token refresh failed (status {err.status})", retry_after=delay) from err
    except (ClientError, TimeoutError, ValueError) as err:
        raise RelayConnectionError(type(err).__name__) from err


def get_entry_tls_check(data: Mapping[str, Any]) -> TlsCheck:
    """Return how to check the certificate of an entry's relay."""
    return get_tls_check(data.get(CONF_FINGERPRINT))


def create_client(hass: HomeAssistant, entry: ConfigEntry[Any]) -> RelayClient:
    """Create a client with the entry's credential, for its relay."""
    return create_client_for_relay(hass, entry, str(entry.data[CONF_URL]), entry.data.get(CONF_FINGERPRINT))


def create_client_for_relay(
    hass: HomeAssistant, entry: ConfigEntry[Any], url: str, fingerprint: str | None
) -> RelayClient:
    """Create a client with the entry's credential, for the relay at an address and with a trusted certificate."""
    if CONF_TOKEN in entry.data:
        tls_check = get_tls_check(fingerprint)
        tokens = TokenProvider(hass, entry, url, tls_check)
        return RelayClient(
            async_get_clientsession(hass),
            url,
            tokens.async_get_token,
            tokens.async_invalidate_token,
            tls_check=tls_check,
        )
    return create_client_with_token(hass, {**entry.data, CONF_URL: url, CONF_FINGERPRINT: fingerprint})


def create_client_with_token(hass: HomeAssistant, data: Mapping[str, Any]) -> RelayClient:
    """Create a client with the credential of an entry's data, which is never refreshed."""
    credential = get_bearer_token(data)

    async def get_token() -> str:
        return credential

    return RelayClient(async_get_clientsession(hass), data[CONF_URL], get_token, tls_check=get_entry_tls_check(data))


async def async_refresh_for_removal(hass: HomeAssistant, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a removed entry's data with a valid token, if the relay can be reached. The entry can't store it."""
    token = data.get(CONF_TOKEN)
    if token is None or token["expires_at"] > time.time() + REMOVAL_TIMEOUT_SECONDS:
        return dict(data)
    try:
        with _translate_token_errors():
            async with asyncio.timeout(REMOVAL_TIMEOUT_SECONDS):
                implementation = RelayOAuth2Implementation(hass, data[CONF_URL], tls_check=get_entry_tls_check(data))
                new_token = await implementation.async_refresh_token(token)
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
        await revoke_token(
            async_get_clientsession(hass), data[CONF_URL], token["refresh_token"], tls_check=get_entry_tls_check(data)
        )
    except RelayError as err:
        LOGGER.debug("Token revocation failed: %s", type(err).__name__)
