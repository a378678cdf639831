"""A client for EVConduit relays. Knows aiohttp and the relay's API v2, and nothing of Home Assistant."""

from .address import relay_address
from .client import RelayClient
from .errors import (
    CommandRefusedError,
    EnodeUnavailableError,
    ForbiddenError,
    NotFoundError,
    PlanRequiredError,
    QuotaExhaustedError,
    RelayConnectionError,
    RelayError,
    TryAgainError,
    UnauthorizedError,
    UnsupportedRelayError,
)
from .fields import Fields, Json, JsonObject, MalformedError
from .models import (
    Account,
    Command,
    CommandKind,
    CommandState,
    LinkState,
    Reason,
    Snapshot,
    Transition,
    VehicleRecord,
    VehicleRemoved,
)
from .stream import Closed, Message, Received, RelayStream
from .vehicle import Capabilities, Capability, PowerDeliveryState, Vehicle

__all__ = [
    "Account",
    "Capabilities",
    "Capability",
    "Closed",
    "Command",
    "CommandKind",
    "CommandRefusedError",
    "CommandState",
    "EnodeUnavailableError",
    "Fields",
    "ForbiddenError",
    "Json",
    "JsonObject",
    "LinkState",
    "MalformedError",
    "Message",
    "NotFoundError",
    "PlanRequiredError",
    "PowerDeliveryState",
    "QuotaExhaustedError",
    "Reason",
    "Received",
    "RelayClient",
    "RelayConnectionError",
    "RelayError",
    "RelayStream",
    "Snapshot",
    "Transition",
    "TryAgainError",
    "UnauthorizedError",
    "UnsupportedRelayError",
    "Vehicle",
    "VehicleRecord",
    "VehicleRemoved",
    "relay_address",
]
