"""Enode's API: `open_enode(EnodeConfig(…))` yields an `EnodeClient`. `errors.py` shows the tree of its errors."""

from relay.gateways.enode.actions import ActionKind, ActionState, ChargeAction, FailureReason
from relay.gateways.enode.api import API_VERSION
from relay.gateways.enode.client import EnodeClient, EnodeConfig, open_enode
from relay.gateways.enode.errors import (
    EnodeCredentialsRefused,
    EnodeError,
    EnodeForbidden,
    EnodeNotFound,
    EnodeProblem,
    EnodeProblemError,
    EnodeProtocolError,
    EnodeRateLimited,
    EnodeRefused,
    EnodeUnavailable,
)
from relay.gateways.enode.health import VendorHealth, VendorStatus
from relay.gateways.enode.http_request import Clock
from relay.gateways.enode.interventions import Intervention
from relay.gateways.enode.links import LinkSession
from relay.gateways.enode.retry import RetryPolicy
from relay.gateways.enode.users import LinkedVendor, ListedUser, User
from relay.gateways.enode.vehicles import VehicleObject, VehicleReading, validate_vehicle
from relay.gateways.enode.webhooks import ALL_EVENTS, DeliveryHeader, WebhookSubscription, WebhookTestResult

__all__ = [
    "ALL_EVENTS",
    "API_VERSION",
    "ActionKind",
    "ActionState",
    "ChargeAction",
    "Clock",
    "DeliveryHeader",
    "EnodeClient",
    "EnodeConfig",
    "EnodeCredentialsRefused",
    "EnodeError",
    "EnodeForbidden",
    "EnodeNotFound",
    "EnodeProblem",
    "EnodeProblemError",
    "EnodeProtocolError",
    "EnodeRateLimited",
    "EnodeRefused",
    "EnodeUnavailable",
    "FailureReason",
    "Intervention",
    "LinkSession",
    "LinkedVendor",
    "ListedUser",
    "RetryPolicy",
    "User",
    "VehicleObject",
    "VehicleReading",
    "VendorHealth",
    "VendorStatus",
    "WebhookSubscription",
    "WebhookTestResult",
    "open_enode",
    "validate_vehicle",
]
