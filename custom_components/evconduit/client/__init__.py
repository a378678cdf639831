"""A client for EVConduit relays. Knows aiohttp and the relay's API v2, and nothing of Home Assistant."""

from .address import relay_address
from .answers import RELAY_HEADER, retry_after
from .client import RelayClient
from .cursor import is_told
from .endpoint import Endpoint, EndpointState
from .errors import (
    AccountDisabledError,
    CommandRefusedError,
    EndpointRefusedError,
    EnodeUnavailableError,
    ForbiddenError,
    NotBrokenError,
    NotFoundError,
    PlanRequiredError,
    QuotaExhaustedError,
    RelayConnectionError,
    RelayError,
    TooManyRequestsError,
    TryAgainError,
    UnauthorizedError,
    UnsupportedRelayError,
)
from .fields import Fields, Json, JsonObject, MalformedError
from .intervention import Intervention
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
from .sign_in import CLIENT_ID, SCOPE, find_sign_in, revoke, token_url
from .stream import Closed, Message, Received, RelayStream
from .vehicle import Capabilities, Capability, PowerDeliveryState, Vehicle
from .webhook import Delivery, SignatureError, verify

__all__ = [
    "CLIENT_ID",
    "RELAY_HEADER",
    "SCOPE",
    "Account",
    "AccountDisabledError",
    "Capabilities",
    "Capability",
    "Closed",
    "Command",
    "CommandKind",
    "CommandRefusedError",
    "CommandState",
    "Delivery",
    "Endpoint",
    "EndpointRefusedError",
    "EndpointState",
    "EnodeUnavailableError",
    "Fields",
    "ForbiddenError",
    "Intervention",
    "Json",
    "JsonObject",
    "LinkState",
    "MalformedError",
    "Message",
    "NotBrokenError",
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
    "SignatureError",
    "Snapshot",
    "TooManyRequestsError",
    "Transition",
    "TryAgainError",
    "UnauthorizedError",
    "UnsupportedRelayError",
    "Vehicle",
    "VehicleRecord",
    "VehicleRemoved",
    "find_sign_in",
    "is_told",
    "relay_address",
    "retry_after",
    "revoke",
    "token_url",
    "verify",
]
