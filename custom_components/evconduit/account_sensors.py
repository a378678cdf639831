"""Sensors of the account: its plan, its calls, and the connection to the relay."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import EntityCategory

from .account_entity import AccountEntity, AccountEntityDescription
from .client import Account
from .forecast import forecast_calls, get_calls_left, get_previous_reset
from .runtime import EVConduitRuntime, PushChannel


@dataclass(frozen=True, kw_only=True)
class AccountSensorDescription(AccountEntityDescription, SensorEntityDescription):
    """Describes a sensor of the account. `last_reset_fn`: when a total began."""

    value_fn: Callable[[EVConduitRuntime], float | str | datetime | None]
    last_reset_fn: Callable[[Account], datetime | None] | None = None


def _has_limit(account: Account) -> bool:
    return account.allowance.limit is not None


def _get_month_start(account: Account) -> datetime | None:
    resets_at = account.allowance.resets_at
    return None if resets_at is None else get_previous_reset(resets_at)


def _forecast_calls(runtime: EVConduitRuntime) -> int | None:
    return forecast_calls(runtime.coordinator.data.allowance, runtime.client.clock.now())


ACCOUNT_SENSORS: tuple[AccountSensorDescription, ...] = (
    AccountSensorDescription(
        key="plan",
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda runtime: runtime.coordinator.data.plan,
    ),
    AccountSensorDescription(
        key="calls_used",
        state_class=SensorStateClass.TOTAL,
        entity_category=EntityCategory.DIAGNOSTIC,
        suggested_display_precision=0,
        value_fn=lambda runtime: runtime.coordinator.data.allowance.used,
        last_reset_fn=_get_month_start,
    ),
    AccountSensorDescription(
        key="calls_left",
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        suggested_display_precision=0,
        supported_fn=_has_limit,
        value_fn=lambda runtime: get_calls_left(runtime.coordinator.data.allowance),
    ),
    AccountSensorDescription(
        key="calls_forecast",
        entity_category=EntityCategory.DIAGNOSTIC,
        suggested_display_precision=0,
        supported_fn=_has_limit,
        value_fn=_forecast_calls,
    ),
    AccountSensorDescription(
        key="calls_reset",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        supported_fn=_has_limit,
        value_fn=lambda runtime: runtime.coordinator.data.allowance.resets_at,
    ),
    AccountSensorDescription(
        key="push_channel",
        device_class=SensorDeviceClass.ENUM,
        options=[channel.value for channel in PushChannel],
        entity_category=EntityCategory.DIAGNOSTIC,
        needs_contact=False,
        value_fn=lambda runtime: runtime.push_channel.value,
    ),
    AccountSensorDescription(
        key="last_message",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,  # each change is a row in the logbook
        needs_contact=False,
        value_fn=lambda runtime: runtime.coordinator.last_message_at,
    ),
)


class AccountSensor(AccountEntity, SensorEntity):
    """A sensor of the account."""

    entity_description: AccountSensorDescription

    @property
    @override
    def native_value(self) -> float | str | datetime | None:
        return self.entity_description.value_fn(self.runtime)

    @property
    @override
    def last_reset(self) -> datetime | None:
        last_reset_fn = self.entity_description.last_reset_fn
        return None if last_reset_fn is None else last_reset_fn(self.runtime.coordinator.data)
