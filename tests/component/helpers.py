import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

type SetUp = Callable[[], Awaitable[MockConfigEntry]]


async def eventually(condition: Callable[[], object], within: float = 5) -> None:
    """Wait for what comes over a socket and has no event of its own to wait for."""
    ends = time.monotonic() + within
    while not condition():
        assert time.monotonic() < ends, "it never came"
        await asyncio.sleep(0.002)


async def shows(hass: HomeAssistant, entity_id: str, state: str) -> None:
    """Wait until an entity shows a state."""

    def there() -> bool:
        found = hass.states.get(entity_id)
        return found is not None and found.state == state

    await eventually(there)
    await hass.async_block_till_done()


async def pass_time(hass: HomeAssistant, freezer: FrozenDateTimeFactory, delta: timedelta) -> None:
    """Let time go by, timers included."""
    freezer.tick(delta)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
