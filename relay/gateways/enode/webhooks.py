"""Webhook subscriptions: where Enode posts its events, and which."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Self

from relay.gateways.enode.api import API_VERSION, Call, EnodeApi
from relay.gateways.enode.fields import JsonObject, flag, member, moment, required, text, texts, whole
from relay.gateways.enode.pages import pages
from relay.gateways.enode.retry import Repeat

ALL_EVENTS = ("*",)


class Unchanged(Enum):
    """What is left as it is where None would mean: take it away."""

    UNCHANGED = "unchanged"


UNCHANGED = Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryHeader:
    """A header that Enode puts on each delivery, sent in lower case."""

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSubscription:
    """A subscription. `is_active` False: Enode gave up on the address and deleted what was pending."""

    id: str
    url: str
    events: tuple[str, ...]
    is_active: bool | None
    last_success: datetime | None
    created_at: datetime | None
    api_version: str | None
    header_name: str | None

    @classmethod
    def read(cls, source: JsonObject, operation: str) -> Self:
        """From Enode's JSON. Raises EnodeProtocolError."""
        return cls(
            id=required(source, "id", operation),
            url=required(source, "url", operation),
            events=texts(source, "events"),
            is_active=flag(source, "isActive"),
            last_success=moment(source, "lastSuccess"),
            created_at=moment(source, "createdAt"),
            api_version=text(source, "apiVersion"),
            header_name=text(member(source, "authentication") or {}, "headerName"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTest:
    """What came of a test delivery. `response_status` is None when the address gave no answer."""

    succeeded: bool
    description: str | None
    response_status: int | None

    @classmethod
    def read(cls, source: JsonObject, operation: str) -> Self:
        """From Enode's JSON. Raises EnodeProtocolError."""
        return cls(
            succeeded=required(source, "status", operation) == "SUCCESS",
            description=text(source, "description"),
            response_status=whole(member(source, "response") or {}, "code"),
        )


class Webhooks:
    """Calls about webhook subscriptions."""

    def __init__(self, api: EnodeApi) -> None:
        self._api = api

    async def list(self) -> AsyncIterator[WebhookSubscription]:
        """Every subscription of this client."""
        async for page in pages(self._api, "/webhooks"):
            for item in page.items:
                yield WebhookSubscription.read(item, "GET /webhooks")

    async def get(self, webhook_id: str) -> WebhookSubscription:
        """The subscription. Raises EnodeNotFound."""
        return await self._subscription(Call(method="GET", route="/webhooks/{}", ids=(webhook_id,)))

    async def create(
        self, *, url: str, secret: str, events: Sequence[str] = ALL_EVENTS, header: DeliveryHeader | None = None
    ) -> WebhookSubscription:
        """Subscribe `url` to `events` in the API version this package speaks. Enode signs each body with `secret`.

        Raises EnodeRefused when an argument is invalid or the URL is subscribed already. It is not repeated when its
        outcome is unknown (an error that was `sent`): look at the list first.
        """
        body: dict[str, Any] = {"url": url, "secret": secret, "events": list(events), "apiVersion": API_VERSION}
        if header:
            body["authentication"] = _authentication(header)
        return await self._subscription(Call(method="POST", route="/webhooks", body=body, repeat=Repeat.IF_NOT_DONE))

    async def update(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        secret: str | None = None,
        events: Sequence[str] | None = None,
        header: DeliveryHeader | Unchanged | None = UNCHANGED,
    ) -> WebhookSubscription:
        """Change what is given, and switch the subscription on again. Raises EnodeNotFound, EnodeRefused."""
        given = {"url": url, "secret": secret, "events": events and list(events)}
        body: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        if header is not UNCHANGED:
            body["authentication"] = header and _authentication(header)
        return await self._subscription(Call(method="PATCH", route="/webhooks/{}", ids=(webhook_id,), body=body))

    async def delete(self, webhook_id: str) -> None:
        """End the subscription. Raises EnodeNotFound: it is done."""
        await self._api.send(Call(method="DELETE", route="/webhooks/{}", ids=(webhook_id,)))

    async def test(self, webhook_id: str) -> WebhookTest:
        """Have Enode deliver a test event now; a success switches the subscription on again. Raises EnodeNotFound."""
        call = Call(method="POST", route="/webhooks/{}/test", ids=(webhook_id,), repeat=Repeat.IF_NOT_DONE)
        return WebhookTest.read(await self._api.get_object(call), call.operation)

    async def _subscription(self, call: Call) -> WebhookSubscription:
        return WebhookSubscription.read(await self._api.get_object(call), call.operation)


def _authentication(header: DeliveryHeader) -> Mapping[str, str]:
    return {"headerName": header.name, "headerValue": header.value}
