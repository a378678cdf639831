import pytest
from helpers import SetupEntry, wait_until
from homeassistant.core import HomeAssistant
from relay_double import Problem, RelayDouble


@pytest.mark.parametrize(
    ("account_language", "language", "requested"),
    [
        ("en", "de", ["de"]),
        ("en-US", "en-GB", []),
        ("nl", "nl", []),
        ("NL", "nl-BE", []),
        ("pt-BR", "pt", []),
        (None, "de", []),
        ("de", "pt-BR", ["pt-BR"]),
    ],
)
async def test_language_is_sent_if_it_differs(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    account_language: str | None,
    language: str,
    requested: list[str],
):
    if account_language:
        relay.account["language"] = account_language
    hass.config.language = language
    entry = await setup_entry()
    if requested:
        await wait_until(lambda: relay.account["language"] == language)
    await entry.runtime_data.client.get_account()
    assert [request.body["language"] for request in relay.requests if request.method == "PATCH"] == requested


async def test_forbidden_language_change_is_ignored(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    relay.account["language"] = "en"
    hass.config.language = "de"
    with relay.failing("language", with_=Problem(403, "forbidden")):
        entry = await setup_entry()
        await wait_until(lambda: [request for request in relay.requests if request.method == "PATCH"])
    assert entry.runtime_data.coordinator.is_streaming
