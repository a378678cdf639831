from contextlib import suppress

from homeassistant.core import HomeAssistant

from .client import Account, RelayClient, RelayError


async def async_update_account_language(hass: HomeAssistant, client: RelayClient, account: Account) -> None:
    """Set the language of interventions to Home Assistant's, if the relay supports it."""
    language = hass.config.language
    if account.language is not None and _get_base_language(account.language) != _get_base_language(language):
        with suppress(RelayError):  # for example, an API key with read permission only
            await client.set_language(language)


def _get_base_language(language: str) -> str:
    """Return `nl` for `nl-BE`."""
    return language.partition("-")[0].lower()
