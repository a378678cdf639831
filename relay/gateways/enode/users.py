"""Users at Enode. Their ids are our user ids; the first link session creates the user at Enode."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from relay.gateways.enode.api import ApiCall, EnodeApi
from relay.gateways.enode.json_fields import parse_bool, parse_datetime, parse_objects, parse_text, require_text
from relay.gateways.enode.pagination import fetch_pages
from relay.kit.json_object import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedVendor:
    """A linked vendor account. If `is_valid` is False, its credentials no longer work and the user must relink."""

    vendor: str
    vendor_type: str | None
    is_valid: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user with the linked vendor accounts."""

    id: str
    linked_vendors: tuple[LinkedVendor, ...]

    @classmethod
    def from_json(cls, source: JsonObject, operation: str) -> Self:
        """Parse Enode's JSON. Raises EnodeProtocolError."""
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
    """A user in a list."""

    id: str
    created_at: datetime | None


class Users:
    """Calls about users."""

    def __init__(self, api: EnodeApi) -> None:
        self._api = api

    async def get(self, user_id: str) -> User:
        """Return the user. Raises EnodeNotFound before the first link session and after deletion."""
        call = ApiCall(method="GET", route="/users/{}", ids=(user_id,))
        return User.from_json(await self._api.get_object(call), call.operation)

    async def list(self) -> AsyncIterator[ListedUser]:
        """Yield every user of this client."""
        async for page in fetch_pages(self._api, "/users"):
            for item in page.items:
                yield ListedUser(
                    id=require_text(item, "id", "GET /users"), created_at=parse_datetime(item, "createdAt")
                )

    async def delete(self, user_id: str) -> None:
        """Delete the user and all their data permanently. Raises EnodeNotFound if they are already deleted."""
        await self._api.send(ApiCall(method="DELETE", route="/users/{}", ids=(user_id,)))

    async def disconnect_vendor(self, user_id: str, vendor: str) -> None:
        """Unlink the user's `vendor` account and delete its vehicles. Raises EnodeNotFound if it is not linked."""
        await self._api.send(ApiCall(method="DELETE", route="/users/{}/vendors/{}", ids=(user_id, vendor)))
