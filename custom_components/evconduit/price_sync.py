"""Keeps the relay's electricity rate at the price that the user chose: a fixed one, or the state of an entity."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers.event import async_track_state_change_event

from .client import NotFoundError, RelayClient, RelayError, TryAgainError
from .const import DOMAIN, LOGGER
from .electricity_price import Price, parse_price
from .options import Options

CONF_SENT_PRICE: Final = "price_sent"
"""Whether this entry set the relay's rate, which it then ends when the option is switched off."""
MAX_PRICE: Final = 1_000_000
"""Of a kWh, and the lowest price when negative, as the relay accepts (`PUT /api/ha/v2/electricity-rate`)."""
RETRY_DELAY: Final = timedelta(minutes=1)
START_GRACE: Final = timedelta(minutes=5)
"""How long the entity may take to get a state after a start, before its price counts as unknown."""
GRACE: Final = timedelta(minutes=1)
"""The same for an entity that had a state: a reload of its integration isn't the end of a price."""


async def async_end_sent_price(data: Mapping[str, Any], client: RelayClient) -> None:
    """End the rate that a removed entry set, if the relay can be reached: nothing would update it any more."""
    if data.get(CONF_SENT_PRICE):
        with suppress(RelayError):
            await client.delete_electricity_rate()


class PriceSync:
    """Sends each new price. While the entity has none, what is charged has no known cost."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry[Any], client: RelayClient) -> None:
        self._hass = hass
        self._entry = entry
        self._client = client
        self._options = Options.parse(entry.options)
        self._changed = asyncio.Event()
        self._sent: Price | None = None
        self._has_sent = False

    @callback
    def async_start(self) -> None:
        """Send the present price, and each change from now on."""
        entity_id = self._options.price_entity
        if entity_id is None and self._options.electricity_price is None and not self._was_sent():
            return
        if entity_id is not None:
            self._entry.async_on_unload(
                async_track_state_change_event(self._hass, [entity_id], self._async_on_state_change)
            )
        self._entry.async_create_background_task(self._hass, self._async_run(), f"{DOMAIN} electricity price")

    @callback
    def _async_on_state_change(self, _event: Event[EventStateChangedData]) -> None:
        self._changed.set()

    async def _async_run(self) -> None:
        is_fixed = self._options.price_entity is None
        while True:
            if not is_fixed and self._get_price() is None:
                await self._async_wait_for_price(GRACE if self._has_sent else START_GRACE)
            self._changed.clear()
            delay = await self._async_send(self._get_price())
            if delay is None and is_fixed:
                return
            await self._async_wait(delay)

    async def _async_wait_for_price(self, limit: timedelta) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit.total_seconds()):
                while self._get_price() is None:
                    self._changed.clear()
                    await self._changed.wait()

    async def _async_wait(self, limit: timedelta | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit.total_seconds() if limit else None):
                await self._changed.wait()

    def _get_price(self) -> Price | None:
        currency = self._hass.config.currency
        if (entity_id := self._options.price_entity) is None:
            price = self._options.electricity_price
            return None if price is None else Price(per_kwh=price, currency=currency)
        state = self._hass.states.get(entity_id)
        return parse_price(state.state, state.attributes.get("unit_of_measurement"), currency) if state else None

    async def _async_send(self, price: Price | None) -> timedelta | None:
        """Set the relay's rate, unless it is set already. Return when to try again, None if that isn't needed."""
        if self._has_sent and price == self._sent:
            return None
        try:
            if price is not None:
                await self._client.set_electricity_rate(price.per_kwh, price.currency)
            else:
                with suppress(NotFoundError):
                    await self._client.delete_electricity_rate()
        except RelayError as err:
            LOGGER.debug("Electricity price not sent: %s", err)
            return max(RETRY_DELAY, err.retry_after or RETRY_DELAY) if isinstance(err, TryAgainError) else None
        self._sent, self._has_sent = price, True
        self._store_sent(is_sent=price is not None or self._options.price_entity is not None)
        return None

    def _was_sent(self) -> bool:
        return bool(self._entry.data.get(CONF_SENT_PRICE))

    def _store_sent(self, *, is_sent: bool) -> None:
        if is_sent == self._was_sent():
            return
        data = {key: value for key, value in self._entry.data.items() if key != CONF_SENT_PRICE}
        data |= {CONF_SENT_PRICE: True} if is_sent else {}
        self._hass.config_entries.async_update_entry(self._entry, data=data)
