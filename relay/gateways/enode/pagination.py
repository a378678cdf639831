"""Enode's paginated lists: pages of objects, each with a cursor to the next."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from relay.gateways.enode.api import ApiCall, EnodeApi
from relay.gateways.enode.errors import EnodeProtocolError
from relay.gateways.enode.json_fields import parse_json, parse_object, parse_text, require_object, require_objects
from relay.kit.json_object import JsonObject

PAGE_SIZE = "50"  # Enode's default; the largest it allows is not published
MAX_CURSOR_LENGTH = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """One page of a list. `as_of` is the time, by Enode's clock, at which it was certainly current."""

    items: tuple[JsonObject, ...]
    as_of: datetime


async def fetch_pages(api: EnodeApi, route: str, *ids: str) -> AsyncIterator[ListPage]:
    """Yield every page of the list at `route`. Each page is a separate call with its own retries and deadline.

    If the list changes meanwhile, an item may appear twice. Raises EnodeError.
    """
    seen_cursors: set[str] = set()
    query = {"pageSize": PAGE_SIZE}
    while True:
        call = ApiCall(method="GET", route=route, ids=ids, query=query)
        response = await api.send(call)
        document = require_object(parse_json(response.body, call.operation), call.operation)
        yield ListPage(items=require_objects(document.get("data"), call.operation), as_of=response.as_of)
        cursor = parse_text(parse_object(document, "pagination") or {}, "after")
        if not cursor:
            return
        if cursor in seen_cursors or len(cursor) > MAX_CURSOR_LENGTH or not cursor.isprintable():
            raise EnodeProtocolError(call.operation, fault="an invalid or repeated cursor")
        seen_cursors.add(cursor)
        query = {"pageSize": PAGE_SIZE, "after": cursor}
