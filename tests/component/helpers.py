import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from freezegun import api as freezegun
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from relay_double import RENAULT, TESLA, RelayDouble, make_record

TESLA_BATTERY = "sensor.blue_car_battery_level"
TESLA_BATTERY_ENERGY = "sensor.blue_car_battery_energy"
RENAULT_BATTERY = "sensor.renault_zoe_battery_level"
MINUTE = timedelta(minutes=1)

type SetupEntry = Callable[[], Awaitable[MockConfigEntry]]


async def wait_until(condition: Callable[[], object], within: float = 10) -> None:
    """Poll a condition that depends on data from a socket.

    While a test has frozen time, the event loop's clock stands still too, so it is advanced in small steps.
    """
    deadline = freezegun.real_monotonic() + within
    while not condition():
        assert freezegun.real_monotonic() < deadline, "timeout"
        if freezegun.freeze_factories:
            freezegun.freeze_factories[-1].tick(0.001)
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(0.002)


async def wait_for_state(hass: HomeAssistant, entity_id: str, state: str) -> None:
    """Wait until an entity has a state."""

    def has_state() -> bool:
        current = hass.states.get(entity_id)
        return current is not None and current.state == state

    await wait_until(has_state)
    await hass.async_block_till_done()


async def advance_time(hass: HomeAssistant, freezer: FrozenDateTimeFactory, delta: timedelta) -> None:
    """Advance the frozen time and fire the timers."""
    freezer.tick(delta)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()


def make_tesla_record(revision: int, level: int, **changes):
    return make_record(TESLA, revision, vehicle={"chargeState": {"batteryLevel": level}}, **changes)


def make_renault_record(revision: int, level: int):
    return make_record(RENAULT, revision, vehicle={"chargeState": {"batteryLevel": level}})


def get_state(hass: HomeAssistant, entity_id: str) -> str:
    state = hass.states.get(entity_id)
    assert state is not None
    return state.state


async def disconnect_stream(hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry) -> None:
    relay.break_streams()
    await wait_until(lambda: not entry.runtime_data.coordinator.is_streaming)


async def wait_for_sent_requests(entry: MockConfigEntry) -> None:
    """Give a request that was just sent the time to arrive, before a test asserts that there is none.

    Without it, the test would pass in any case: a request over a socket takes longer than a step of the frozen time.
    """
    for _ in range(3):
        await entry.runtime_data.client.get_account()
