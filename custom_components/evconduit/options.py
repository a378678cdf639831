"""The options of a config entry, which the user sets in the options flow."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

CONF_PUSH_CHANNEL: Final = "push_channel"
CONF_USE_HOME_ZONE: Final = "use_home_zone"
CONF_EXPOSE_LOCATION: Final = "expose_location"
CONF_ELECTRICITY_PRICE: Final = "electricity_price"
CONF_PRICE_ENTITY: Final = "price_entity"
CONF_EXCLUDED_VEHICLES: Final = "excluded_vehicles"
CONF_VIN_AS_SERIAL: Final = "vin_as_serial_number"


class PushChannel(StrEnum):
    """How the relay sends changes: by stream with the webhook as a fallback, or by one of them only."""

    AUTOMATIC = "automatic"
    STREAM = "stream"
    WEBHOOK = "webhook"


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The options. `electricity_price` is per kWh, in Home Assistant's currency."""

    push_channel: PushChannel
    use_home_zone: bool
    expose_location: bool
    electricity_price: float | None
    price_entity: str | None
    excluded_vehicles: frozenset[str]
    vin_as_serial_number: bool

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """Parse an entry's options. Whatever isn't set has its default."""
        return cls(
            push_channel=PushChannel(options.get(CONF_PUSH_CHANNEL, PushChannel.AUTOMATIC)),
            use_home_zone=options.get(CONF_USE_HOME_ZONE, False),
            expose_location=options.get(CONF_EXPOSE_LOCATION, True),
            electricity_price=options.get(CONF_ELECTRICITY_PRICE),
            price_entity=options.get(CONF_PRICE_ENTITY),
            excluded_vehicles=frozenset(options.get(CONF_EXCLUDED_VEHICLES, ())),
            vin_as_serial_number=options.get(CONF_VIN_AS_SERIAL, False),
        )

    @property
    def uses_stream(self) -> bool:
        """Whether to open the stream."""
        return self.push_channel is not PushChannel.WEBHOOK

    @property
    def uses_webhook(self) -> bool:
        """Whether to register the webhook."""
        return self.push_channel is not PushChannel.STREAM
