"""Webhook subscriptions: validation, creation, changes and their JSON."""

import ipaddress
from dataclasses import replace
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from demo.enode.problems import Json, bad_request, not_found
from demo.enode.simulator import Simulator
from demo.enode.world import WebhookQueue, WebhookSubscription

INVALID_INPUT_TITLE = "Webhook input is not valid."

EventName = Literal[
    "*",
    "user:vehicle:discovered",
    "user:vehicle:updated",
    "user:vehicle:deleted",
    "user:vehicle:smart-charging-status-updated",
    "user:charge-action:updated",
    "user:vendor-action:updated",
    "user:schedule:execution-updated",
    "user:charger:discovered",
    "user:charger:updated",
    "user:charger:deleted",
    "user:hvac:discovered",
    "user:hvac:updated",
    "user:hvac:deleted",
    "user:inverter:discovered",
    "user:inverter:updated",
    "user:inverter:deleted",
    "user:inverter:statistics-updated",
    "user:credentials:invalidated",
    "user:battery:discovered",
    "user:battery:updated",
    "user:battery:deleted",
    "enode:webhook:test",
    "user:meter:discovered",
    "user:meter:updated",
    "user:meter:deleted",
]


def _check_url(url: str) -> str:
    # DEVIATION: Enode accepts https:// only. Loopback over http:// is accepted here to run on one machine.
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        raise ValueError("must be an https:// URL (http:// for loopback hosts)")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


Url = Annotated[str, Field(min_length=8, max_length=200), AfterValidator(_check_url)]
Secret = Annotated[str, Field(min_length=6, max_length=256)]


class Authentication(BaseModel):
    """A header that is sent with each delivery."""

    model_config = ConfigDict(extra="forbid", strict=True)

    header_name: str = Field(alias="headerName", min_length=1, max_length=128, pattern=r"^[a-z0-9_-]+$")
    header_value: str = Field(alias="headerValue", min_length=1, max_length=256, pattern=r"^[ -~]+$")


class CreateBody(BaseModel):
    """Body of POST /webhooks."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Url
    secret: Secret
    events: list[EventName] = ["*"]
    api_version: Literal["2024-10-01"] | None = Field(alias="apiVersion", default=None)
    authentication: Authentication | None = None

    @field_validator("authentication")
    @classmethod
    def _refuse_null(cls, value: Authentication | None) -> Authentication:
        if value is None:
            raise ValueError("must be an object; only PATCH accepts null")
        return value


class UpdateBody(BaseModel):
    """Body of PATCH /webhooks/{id}: any of the fields; `authentication: null` removes the header."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Url = ""
    secret: Secret = ""
    events: list[EventName] = []
    api_version: Literal["2024-10-01"] | None = Field(alias="apiVersion", default=None)
    authentication: Authentication | None = None


def create_subscription(sim: Simulator, body: CreateBody) -> WebhookSubscription:
    """Create a subscription. Raises the 400 for a URL that is already subscribed."""
    _refuse_duplicate_url(sim, body.url)
    now = sim.clock.next_timestamp()
    header = body.authentication
    webhook = WebhookSubscription(
        id=sim.world.new_id(),
        url=body.url,
        secret=body.secret,
        events=tuple(body.events),
        api_version=body.api_version,
        header_name=header.header_name if header else None,
        header_value=header.header_value if header else None,
        last_success=now,  # observed: never null, initially the time of creation
        created_at=now,
    )
    sim.world.webhooks[webhook.id] = webhook
    sim.world.queues[webhook.id] = WebhookQueue()
    return webhook


def update_subscription(sim: Simulator, webhook: WebhookSubscription, body: UpdateBody) -> WebhookSubscription:
    """Update a subscription, which also reactivates it. Raises the 400 for a URL that is already subscribed."""
    sent = body.model_fields_set
    changes: dict[str, Any] = {name: getattr(body, name) for name in ("url", "secret", "api_version") if name in sent}
    if "events" in sent:
        changes["events"] = tuple(body.events)
    if "authentication" in sent:
        header = body.authentication
        changes["header_name"] = header and header.header_name
        changes["header_value"] = header and header.header_value
    if "url" in sent and body.url != webhook.url:
        _refuse_duplicate_url(sim, body.url)
    changed = replace(webhook, is_active=True, **changes)
    sim.world.webhooks[webhook.id] = changed
    return changed


def get_subscription(sim: Simulator, webhook_id: str) -> WebhookSubscription:
    """Return a subscription. Raises the 404 that Enode documents."""
    webhook = sim.world.webhooks.get(webhook_id)
    if webhook is None:
        raise not_found("Webhook not found", f"Could not find webhook {webhook_id}")
    return webhook


def render_subscription(webhook: WebhookSubscription) -> Json:
    """Render a subscription as Enode does, without its secret."""
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": list(webhook.events),
        "lastSuccess": webhook.last_success,
        "isActive": webhook.is_active,
        "createdAt": webhook.created_at,
        "apiVersion": webhook.api_version,
        "authentication": None if webhook.header_name is None else {"headerName": webhook.header_name},
    }


def accepts_event(webhook: WebhookSubscription, event_name: str) -> bool:
    """Return whether an event goes to this subscription. Heartbeats go to every active one."""
    return webhook.is_active and (
        "*" in webhook.events or event_name in webhook.events or event_name == "system:heartbeat"
    )


def _refuse_duplicate_url(sim: Simulator, url: str) -> None:
    if any(webhook.url == url for webhook in sim.world.webhooks.values()):
        issue = {"code": "already_exists", "path": ["url"], "message": "a webhook with this URL exists"}
        raise bad_request("The webhook input is not valid.", [issue], INVALID_INPUT_TITLE)


def reactivate_subscription(sim: Simulator, webhook_id: str) -> None:
    """Mark a subscription active after it has accepted a test event."""
    webhook = sim.world.webhooks[webhook_id]
    sim.world.webhooks[webhook_id] = replace(webhook, is_active=True, last_success=sim.clock.next_timestamp())
