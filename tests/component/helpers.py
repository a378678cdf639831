import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from freezegun import api as freezegun
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from relay_double import RENAULT, TESLA, RelayDouble, record

TESLA_BATTERY = "sensor.blue_car_battery_level"
RENAULT_BATTERY = "sensor.renault_zoe_battery_level"
MINUTE = timedelta(minutes=1)

type SetUp = Callable[[], Awaitable[MockConfigEntry]]


async def eventually(condition: Callable[[], object], within: float = 10) -> None:
    """Wait for what comes over a socket and has no event of its own to wait for.

    Where a test has frozen time, the event loop's clock stands too: then it is moved on by hand, little by little.
    """
    ends = freezegun.real_monotonic() + within
    while not condition():
        assert freezegun.real_monotonic() < ends, "it never came"
        if freezegun.freeze_factories:
            freezegun.freeze_factories[-1].tick(0.001)
            await asyncio.sleep(0)
        else:
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


def tesla(revision: int, level: int, **changes):
    return record(TESLA, revision, vehicle={"chargeState": {"batteryLevel": level}}, **changes)


def renault(revision: int, level: int):
    return record(RENAULT, revision, vehicle={"chargeState": {"batteryLevel": level}})


def value(hass: HomeAssistant, entity_id: str) -> str:
    state = hass.states.get(entity_id)
    assert state is not None
    return state.state


async def outage(hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry) -> None:
    relay.break_streams()
    await eventually(lambda: not entry.runtime_data.coordinator.is_streaming)
