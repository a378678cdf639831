"""A real Home Assistant core that signs in at a relay with its own OAuth2 helper, controlled step by step by the test.

It runs in a separate process because Home Assistant and the test need different event loops. Each line of JSON on stdin
(`[step, argument]`) is answered by one on stdout: `[result, null]`, or `[null, class names of the exception]`.
"""

import asyncio
import json
import sys
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

from homeassistant.components.http import current_request
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.config_entry_oauth2_flow import LocalOAuth2ImplementationWithPkce, _decode_jwt
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import async_test_home_assistant

from custom_components.evconduit.client import CLIENT_ID, find_authorize_url, get_token_url
from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.credentials import RelayOAuth2Implementation, async_revoke_tokens

FRONTEND_URL = "http://homeassistant.local:8123"
FLOW_ID = "the flow"


class OAuthSteps:
    """The steps that the test can run: one public method each."""

    def __init__(self, hass, url: str, implementation: LocalOAuth2ImplementationWithPkce) -> None:
        self._hass, self._url, self._implementation = hass, url, implementation

    async def authorize(self, _argument: None) -> str:
        # Home Assistant takes its own URL for the redirect from this header.
        current_request.set(SimpleNamespace(headers={"HA-Frontend-Base": FRONTEND_URL}))
        return await self._implementation.async_generate_authorize_url(FLOW_ID)

    async def resolve(self, redirect: str) -> dict:
        """Exchange the code in the query that the browser brings to /auth/external/callback."""
        assert redirect.startswith(f"{FRONTEND_URL}/auth/external/callback?")
        query = dict(parse_qsl(urlsplit(redirect).query))
        state = _decode_jwt(self._hass, query["state"])
        assert state["flow_id"] == FLOW_ID
        return await self._implementation.async_resolve_external_data({"code": query["code"], "state": state})

    async def refresh(self, token: dict) -> dict:
        return await self._implementation.async_refresh_token(token)

    async def account(self, token: dict) -> int:
        """Return the status of a request for the account with this token."""
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        session = async_get_clientsession(self._hass)
        async with session.get(f"{self._url}/api/ha/v2/account", headers=headers) as response:
            return response.status

    async def revoke(self, token: dict) -> None:
        await async_revoke_tokens(self._hass, {"url": self._url, "token": token})


async def main(url: str, implementation_name: str) -> None:
    """Run steps until stdin ends, with Home Assistant's own OAuth2 class (`helper`) or with the integration's."""
    async with async_test_home_assistant() as hass:
        hass.config.location_name = "Summer house"
        assert await async_setup_component(hass, "network", {})  # required by Home Assistant's HTTP client
        authorize_url = await find_authorize_url(async_get_clientsession(hass), url)
        if implementation_name == "helper":
            implementation = LocalOAuth2ImplementationWithPkce(
                hass, DOMAIN, CLIENT_ID, authorize_url, get_token_url(url)
            )
        else:
            implementation = RelayOAuth2Implementation(hass, url, authorize_url)
        steps = OAuthSteps(hass, url, implementation)
        while line := await asyncio.to_thread(sys.stdin.readline):
            step, argument = json.loads(line)
            try:
                result = [await getattr(steps, step)(argument), None]
            except Exception as error:  # noqa: BLE001 - the test checks which one it is
                result = [None, [base.__name__ for base in type(error).__mro__]]
            sys.stdout.write(json.dumps(result) + "\n")
            sys.stdout.flush()
        await hass.async_stop(force=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
