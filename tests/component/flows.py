"""Going through the config flow, with a browser's part of it played by hand."""

from http import HTTPStatus
from typing import Any

from homeassistant.config_entries import SOURCE_USER, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from relay_double import CODE, RelayDouble
from yarl import URL

from custom_components.evconduit.const import DOMAIN


async def begin(hass: HomeAssistant) -> ConfigFlowResult:
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})


async def type_in(hass: HomeAssistant, flow: Any, **typed: str) -> ConfigFlowResult:
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], typed)
    await hass.async_block_till_done()
    return result


async def to_menu(hass: HomeAssistant, relay: RelayDouble) -> ConfigFlowResult:
    return await type_in(hass, await begin(hass), url=relay.url)


async def to_key(hass: HomeAssistant, relay: RelayDouble) -> ConfigFlowResult:
    return await type_in(hass, await to_menu(hass, relay), next_step_id="api_key")


def suggested(flow: ConfigFlowResult) -> dict[str, object]:
    assert flow["data_schema"] is not None
    return {str(key): (key.description or {}).get("suggested_value") for key in flow["data_schema"].schema}


async def remove(hass: HomeAssistant) -> None:
    for entry in hass.config_entries.async_entries(DOMAIN):
        await hass.config_entries.async_remove(entry.entry_id)


class Browser:
    """A person in front of the relay's consent page."""

    def __init__(self, hass: HomeAssistant, relay: RelayDouble, make_client: ClientSessionGenerator) -> None:
        self._hass = hass
        self._relay = relay
        self._make_client = make_client
        self.asked: dict[str, str] = {}

    async def sign_in(self, flow: ConfigFlowResult, **answer: str) -> ConfigFlowResult:
        """Choose to sign in, answer the page (yes, unless `answer` says otherwise), and go on."""
        step = await type_in(self._hass, flow, next_step_id="sign_in")
        assert step["type"] is FlowResultType.EXTERNAL_STEP
        url = URL(step["url"])
        self.asked = dict(url.query)
        self._relay.challenge = self.asked["code_challenge"]
        self._relay.installation = self.asked.get("installation")
        client = await self._make_client()
        back = await client.get(
            "/auth/external/callback", params={"state": self.asked["state"], **(answer or {"code": CODE})}
        )
        assert back.status == HTTPStatus.OK
        result = await self._hass.config_entries.flow.async_configure(flow["flow_id"])
        await self._hass.async_block_till_done()
        return result
