from contextlib import suppress

from homeassistant.core import HomeAssistant

from .client import Account, RelayClient, RelayError


async def async_update_account_language(hass: HomeAssistant, client: RelayClient, account: Account) -> None:
    """Have interventions told in the language of this Home Assistant, where the relay can; once a start will do."""
    wanted = hass.config.language
    if account.language is not None and _base(account.language) != _base(wanted):
        with suppress(RelayError):  # a key that may only read leaves it as it is
            await client.set_language(wanted)


def _base(language: str) -> str:
    """`nl` of `nl-BE`."""
    return language.partition("-")[0].lower()
