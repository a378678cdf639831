"""Client for API v2 of EVConduit relays. Needs aiohttp; doesn't import Home Assistant."""

from .client import RelayClient
from .cursor import is_at_or_before
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
from .intervention import Intervention
from .json_reader import Json, JsonObject, JsonReader, MalformedError
from .models import (
    Account,
    Command,
    CommandKind,
    CommandReason,
    CommandState,
    LinkState,
    Snapshot,
    Transition,
    VehicleRecord,
    VehicleRemoved,
)
from .oauth import CLIENT_ID, SCOPE, find_authorize_url, get_token_url, revoke_token
from .responses import RELAY_HEADER, parse_retry_after
from .stream import Message, ReceivedMessage, RelayStream, StreamClosed
from .url import parse_relay_url
from .vehicle import Capabilities, Capability, PowerDeliveryState, Vehicle
from .webhook import SignatureError, WebhookDelivery, verify_signature

__all__ = [
    "CLIENT_ID",
    "RELAY_HEADER",
    "SCOPE",
    "Account",
    "AccountDisabledError",
    "Capabilities",
    "Capability",
    "Command",
    "CommandKind",
    "CommandReason",
    "CommandRefusedError",
    "CommandState",
    "Endpoint",
    "EndpointRefusedError",
    "EndpointState",
    "EnodeUnavailableError",
    "ForbiddenError",
    "Intervention",
    "Json",
    "JsonObject",
    "JsonReader",
    "LinkState",
    "MalformedError",
    "Message",
    "NotBrokenError",
    "NotFoundError",
    "PlanRequiredError",
    "PowerDeliveryState",
    "QuotaExhaustedError",
    "ReceivedMessage",
    "RelayClient",
    "RelayConnectionError",
    "RelayError",
    "RelayStream",
    "SignatureError",
    "Snapshot",
    "StreamClosed",
    "TooManyRequestsError",
    "Transition",
    "TryAgainError",
    "UnauthorizedError",
    "UnsupportedRelayError",
    "Vehicle",
    "VehicleRecord",
    "VehicleRemoved",
    "WebhookDelivery",
    "find_authorize_url",
    "get_token_url",
    "is_at_or_before",
    "parse_relay_url",
    "parse_retry_after",
    "revoke_token",
    "verify_signature",
]
