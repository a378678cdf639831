"""Webhook subscriptions: the URL that Enode posts events to, and the events it posts."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Self

from relay.gateways.enode.api import API_VERSION, ApiCall, EnodeApi
from relay.gateways.enode.json_fields import (
    parse_bool,
    parse_datetime,
    parse_int,
    parse_object,
    parse_text,
    parse_texts,
    require_text,
)
from relay.gateways.enode.pagination import fetch_pages
from relay.gateways.enode.retry import RetryMode
from relay.kit.json_object import JsonObject

ALL_EVENTS = ("*",)


class Unchanged(Enum):
    """Default of an argument for which None means: remove it."""

    UNCHANGED = "unchanged"


UNCHANGED = Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryHeader:
    """A header that Enode adds to each delivery. Enode sends its name in lower case."""

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSubscription:
    """A subscription. If `is_active` is False, Enode stopped delivering to the URL and deleted pending events."""

    id: str
    url: str
    events: tuple[str, ...]
    is_active: bool | None
    last_success: datetime | None
    created_at: datetime | None
    api_version: str | None
    header_name: str | None

    @classmethod
    def from_json(cls, source: JsonObject, operation: str) -> Self:
        """Parse Enode's JSON. Raises EnodeProtocolError."""
        return cls(
            id=require_text(source, "id", operation),
            url=require_text(source, "url", operation),
            events=parse_texts(source, "events"),
            is_active=parse_bool(source, "isActive"),
            last_success=parse_datetime(source, "lastSuccess"),
            created_at=parse_datetime(source, "createdAt"),
            api_version=parse_text(source, "apiVersion"),
            header_name=parse_text(parse_object(source, "authentication") or {}, "headerName"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTestResult:
    """The result of a test delivery. `response_status` is None if the URL did not respond."""

    succeeded: bool
    description: str | None
    response_status: int | None

    @classmethod
    def from_json(cls, source: JsonObject, operation: str) -> Self:
        """Parse Enode's JSON. Raises EnodeProtocolError."""
        return cls(
            succeeded=require_text(source, "status", operation) == "SUCCESS",
            description=parse_text(source, "description"),
            response_status=parse_int(parse_object(source, "response") or {}, "code"),
        )


class Webhooks:
    """Calls about webhook subscriptions."""

    def __init__(self, api: EnodeApi) -> None:
        self._api = api

    async def list(self) -> AsyncIterator[WebhookSubscription]:
        """Yield every subscription of this client."""
        async for page in fetch_pages(self._api, "/webhooks"):
            for item in page.items:
                yield WebhookSubscription.from_json(item, "GET /webhooks")

    async def get(self, webhook_id: str) -> WebhookSubscription:
        """Return the subscription. Raises EnodeNotFound."""
        return await self._request_subscription(ApiCall(method="GET", route="/webhooks/{}", ids=(webhook_id,)))

    async def create(
        self, *, url: str, secret: str, events: Sequence[str] = ALL_EVENTS, header: DeliveryHeader | None = None
    ) -> WebhookSubscription:
        """Subscribe `url` to `events` in this package's API version. Enode signs each body with `secret`.

        Raises EnodeRefused if an argument is invalid or the URL is already subscribed. It is not retried if its outcome
        is unknown (`is_outcome_unknown` of the error): check the list first.
        """
        body: dict[str, Any] = {"url": url, "secret": secret, "events": list(events), "apiVersion": API_VERSION}
        if header:
            body["authentication"] = _build_authentication(header)
        return await self._request_subscription(
            ApiCall(method="POST", route="/webhooks", body=body, retry_mode=RetryMode.IF_NOT_PROCESSED)
        )

    async def update(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        secret: str | None = None,
        events: Sequence[str] | None = None,
        header: DeliveryHeader | Unchanged | None = UNCHANGED,
    ) -> WebhookSubscription:
        """Update the given members and reactivate the subscription. Raises EnodeNotFound, EnodeRefused."""
        changes = {"url": url, "secret": secret, "events": events and list(events)}
        body: dict[str, Any] = {key: value for key, value in changes.items() if value is not None}
        if header is not UNCHANGED:
            body["authentication"] = header and _build_authentication(header)
        return await self._request_subscription(
            ApiCall(method="PATCH", route="/webhooks/{}", ids=(webhook_id,), body=body)
        )

    async def delete(self, webhook_id: str) -> None:
        """Delete the subscription. Raises EnodeNotFound if it is already deleted."""
        await self._api.send(ApiCall(method="DELETE", route="/webhooks/{}", ids=(webhook_id,)))

    async def test(self, webhook_id: str) -> WebhookTestResult:
        """Have Enode deliver a test event now; a success reactivates the subscription. Raises EnodeNotFound."""
        call = ApiCall(
            method="POST", route="/webhooks/{}/test", ids=(webhook_id,), retry_mode=RetryMode.IF_NOT_PROCESSED
        )
        return WebhookTestResult.from_json(await self._api.get_object(call), call.operation)

    async def _request_subscription(self, call: ApiCall) -> WebhookSubscription:
        return WebhookSubscription.from_json(await self._api.get_object(call), call.operation)


def _build_authentication(header: DeliveryHeader) -> Mapping[str, str]:
    return {"headerName": header.name, "headerValue": header.value}
