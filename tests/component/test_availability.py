"""How long data stays valid after the last contact with the relay."""

from datetime import UTC, datetime, timedelta

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import MINUTE, advance_time
from homeassistant.core import HomeAssistant

from custom_components.evconduit.availability import RelayAvailability

SECOND = timedelta(seconds=1)


@pytest.fixture
def changes() -> list[bool]:
    """The values of `is_available` after each change."""
    return []


@pytest.fixture
def availability(hass: HomeAssistant, changes: list[bool]) -> RelayAvailability:
    def record_change() -> None:
        changes.append(availability.is_available)

    availability = RelayAvailability(hass, record_change)
    return availability


@pytest.mark.parametrize(
    ("poll_interval", "valid_for"),
    [
        (None, 15 * MINUTE),
        (MINUTE, 15 * MINUTE),
        (7.5 * MINUTE, 15 * MINUTE),
        (8 * MINUTE, 16 * MINUTE),
        (timedelta(hours=1), timedelta(hours=2)),
        (timedelta(hours=12), timedelta(hours=24)),
    ],
)
async def test_data_is_valid_for_15_minutes_or_two_polls(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    availability: RelayAvailability,
    changes: list[bool],
    *,
    poll_interval: timedelta | None,
    valid_for: timedelta,
):
    availability.async_record_contact(poll_interval)
    await advance_time(hass, freezer, valid_for - SECOND)
    assert changes == [True]
    await advance_time(hass, freezer, 2 * SECOND)
    assert changes == [True, False]
    await advance_time(hass, freezer, timedelta(days=2))
    assert changes == [True, False]


async def test_each_contact_extends_the_validity(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, availability: RelayAvailability, changes: list[bool]
):
    assert not availability.is_available
    assert availability.last_contact_at is None
    freezer.move_to("2026-11-20T18:00:00Z")
    availability.async_record_contact()
    for _ in range(3):
        await advance_time(hass, freezer, 14 * MINUTE)
        availability.async_record_contact()
    assert changes == [True]
    assert availability.last_contact_at == datetime(2026, 11, 20, 18, 42, tzinfo=UTC)
    await advance_time(hass, freezer, 16 * MINUTE)
    availability.async_record_contact()
    assert changes == [True, False, True]
    assert availability.last_contact_at == datetime(2026, 11, 20, 18, 58, tzinfo=UTC)
    availability.async_stop()


async def test_data_stays_valid_while_connected(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, availability: RelayAvailability, changes: list[bool]
):
    availability.async_record_contact()
    availability.async_set_connected()
    await advance_time(hass, freezer, timedelta(days=2))
    assert changes == [True]
    availability.async_record_contact()
    await advance_time(hass, freezer, 16 * MINUTE)
    assert changes == [True, False]


async def test_nothing_changes_after_the_stop(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, availability: RelayAvailability, changes: list[bool]
):
    availability.async_stop()
    availability.async_record_contact()
    availability.async_stop()
    availability.async_stop()
    await advance_time(hass, freezer, timedelta(days=2))
    assert changes == [True]
