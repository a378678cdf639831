"""Helpers that go through the config flow and act as the user's browser."""

from http import HTTPStatus
from typing import Any

from homeassistant.config_entries import SOURCE_USER, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from relay_double import CODE, RelayDouble
from yarl import URL

from custom_components.evconduit.const import DOMAIN


async def start_user_flow(hass: HomeAssistant) -> ConfigFlowResult:
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})


async def submit_form(hass: HomeAssistant, flow: Any, **user_input: str) -> ConfigFlowResult:
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], user_input)
    await hass.async_block_till_done()
    return result


async def open_url_form(hass: HomeAssistant) -> ConfigFlowResult:
    return await submit_form(hass, await start_user_flow(hass), next_step_id="own_relay")


async def open_method_menu(hass: HomeAssistant, relay: RelayDouble) -> ConfigFlowResult:
    return await submit_form(hass, await open_url_form(hass), url=relay.url)


async def open_api_key_form(hass: HomeAssistant, relay: RelayDouble) -> ConfigFlowResult:
    return await submit_form(hass, await open_method_menu(hass, relay), next_step_id="api_key")


def get_suggested_values(flow: ConfigFlowResult) -> dict[str, object]:
    assert flow["data_schema"] is not None
    return {str(key): (key.description or {}).get("suggested_value") for key in flow["data_schema"].schema}


async def remove_entries(hass: HomeAssistant) -> None:
    for entry in hass.config_entries.async_entries(DOMAIN):
        await hass.config_entries.async_remove(entry.entry_id)


class Browser:
    """The user's browser on the relay's consent page."""

    def __init__(self, hass: HomeAssistant, relay: RelayDouble, make_client: ClientSessionGenerator) -> None:
        self._hass = hass
        self._relay = relay
        self._make_client = make_client
        self.authorize_query: dict[str, str] = {}

    async def sign_in(self, flow: ConfigFlowResult, *, option: str = "sign_in", **answer: str) -> ConfigFlowResult:
        """Choose to sign in, return from the consent page with `answer` (default: allowed), and continue the flow."""
        step = await submit_form(self._hass, flow, next_step_id=option)
        assert step["type"] is FlowResultType.EXTERNAL_STEP
        url = URL(step["url"])
        self.authorize_query = dict(url.query)
        self._relay.challenge = self.authorize_query["code_challenge"]
        self._relay.installation = self.authorize_query.get("installation")
        client = await self._make_client()
        callback_response = await client.get(
            "/auth/external/callback", params={"state": self.authorize_query["state"], **(answer or {"code": CODE})}
        )
        assert callback_response.status == HTTPStatus.OK
        result = await self._hass.config_entries.flow.async_configure(flow["flow_id"])
        await self._hass.async_block_till_done()
        return result
