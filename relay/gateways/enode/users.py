"""Users at Enode. Their ids are ours; a user begins to exist with the first link session."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from relay.gateways.enode.api import ApiCall, EnodeApi
from relay.gateways.enode.json_fields import (
    JsonObject,
    parse_bool,
    parse_datetime,
    parse_objects,
    parse_text,
    require_text,
)
from relay.gateways.enode.pagination import fetch_pages


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedVendor:
    """A vendor account that a user has linked. `is_valid` False: its credentials died, the user must link again."""

    vendor: str
    vendor_type: str | None
    is_valid: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user and the vendor accounts linked."""

    id: str
    linked_vendors: tuple[LinkedVendor, ...]

    @classmethod
    def from_json(cls, source: JsonObject, operation: str) -> Self:
        """From Enode's JSON. Raises EnodeProtocolError."""
        return cls(
            id=require_text(source, "id", operation),
            linked_vendors=tuple(
                LinkedVendor(
                    vendor=require_text(item, "vendor", operation),
                    vendor_type=parse_text(item, "vendorType"),
                    is_valid=parse_bool(item, "isValid"),
                )
                for item in parse_objects(source, "linkedVendors")
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedUser:
    """A user as lists show them."""

    id: str
    created_at: datetime | None


class Users:
    """Calls about users."""

    def __init__(self, api: EnodeApi) -> None:
        self._api = api

    async def get(self, user_id: str) -> User:
        """The user. Raises EnodeNotFound before the first link session and after deletion."""
        call = ApiCall(method="GET", route="/users/{}", ids=(user_id,))
        return User.from_json(await self._api.get_object(call), call.operation)

    async def list(self) -> AsyncIterator[ListedUser]:
        """Every user of this client."""
        async for page in fetch_pages(self._api, "/users"):
            for item in page.items:
                yield ListedUser(
                    id=require_text(item, "id", "GET /users"), created_at=parse_datetime(item, "createdAt")
                )

    async def delete(self, user_id: str) -> None:
        """Delete the user and all data, for good. Raises EnodeNotFound: it is done."""
        await self._api.send(ApiCall(method="DELETE", route="/users/{}", ids=(user_id,)))

    async def disconnect_vendor(self, user_id: str, vendor: str) -> None:
        """Unlink the user's account with `vendor`; its vehicles vanish. Raises EnodeNotFound: it is done."""
        await self._api.send(ApiCall(method="DELETE", route="/users/{}/vendors/{}", ids=(user_id, vendor)))
