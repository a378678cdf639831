"""A real Home Assistant core that signs in at a relay with its own OAuth2 helper, told step by step what to do.

A process of its own: Home Assistant and the test run would each rule the other's event loop. A line of JSON on stdin
(`[step, argument]`) is answered by one on stdout: `[answer, null]`, or `[null, classes of the exception]`.
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

HOME = "http://homeassistant.local:8123"


class SigningIn:
    """Each public method is a step."""

    def __init__(self, hass, url: str, implementation: LocalOAuth2ImplementationWithPkce) -> None:
        self._hass, self._url, self._implementation = hass, url, implementation

    async def authorize(self, _argument: None) -> str:
        # Home Assistant remembers where its user's browser found it.
        current_request.set(SimpleNamespace(headers={"HA-Frontend-Base": HOME}))
        return await self._implementation.async_generate_authorize_url("the flow")

    async def resolve(self, back: str) -> dict:
        """With what the browser brings to /auth/external/callback."""
        assert back.startswith(f"{HOME}/auth/external/callback?")
        query = dict(parse_qsl(urlsplit(back).query))
        state = _decode_jwt(self._hass, query["state"])
        assert state["flow_id"] == "the flow"
        return await self._implementation.async_resolve_external_data({"code": query["code"], "state": state})

    async def refresh(self, token: dict) -> dict:
        return await self._implementation.async_refresh_token(token)

    async def account(self, token: dict) -> int:
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        session = async_get_clientsession(self._hass)
        async with session.get(f"{self._url}/api/ha/v2/account", headers=bearer) as answer:
            return answer.status

    async def revoke(self, token: dict) -> None:
        await async_revoke_tokens(self._hass, {"url": self._url, "token": token})


async def main(url: str, whose: str) -> None:
    """Until stdin ends. `whose` implementation: Home Assistant's own class (`helper`), or what our users run."""
    async with async_test_home_assistant() as hass:
        hass.config.location_name = "Summer house"
        assert await async_setup_component(hass, "network", {})  # its HTTP client wants to know the interfaces
        page = await find_authorize_url(async_get_clientsession(hass), url)
        if whose == "helper":
            implementation = LocalOAuth2ImplementationWithPkce(hass, DOMAIN, CLIENT_ID, page, get_token_url(url))
        else:
            implementation = RelayOAuth2Implementation(hass, url, page)
        steps = SigningIn(hass, url, implementation)
        while line := await asyncio.to_thread(sys.stdin.readline):
            step, argument = json.loads(line)
            try:
                said = [await getattr(steps, step)(argument), None]
            except Exception as error:  # noqa: BLE001 - the test says which it expects
                said = [None, [it.__name__ for it in type(error).__mro__]]
            sys.stdout.write(json.dumps(said) + "\n")
            sys.stdout.flush()
        await hass.async_stop(force=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
