"""Enode's lists: pages of objects, one cursor leading to the next."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from relay.gateways.enode.api import ApiCall, EnodeApi
from relay.gateways.enode.errors import EnodeProtocolError
from relay.gateways.enode.json_fields import (
    JsonObject,
    parse_json,
    parse_object,
    parse_text,
    require_object,
    require_objects,
)

PAGE_SIZE = "50"  # Enode's default; the largest it allows is not published
MAX_CURSOR_LENGTH = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """One page and the moment, on Enode's clock, from which on it may be stale."""

    items: tuple[JsonObject, ...]
    as_of: datetime


async def fetch_pages(api: EnodeApi, route: str, *ids: str) -> AsyncIterator[ListPage]:
    """Every page of the list at `route`. Each page is a call of its own, with its own repeats and deadline.

    A list that changes meanwhile may show an item twice. Raises EnodeError.
    """
    seen: set[str] = set()
    query = {"pageSize": PAGE_SIZE}
    while True:
        call = ApiCall(method="GET", route=route, ids=ids, query=query)
        answer = await api.send(call)
        document = require_object(parse_json(answer.body, call.operation), call.operation)
        yield ListPage(items=require_objects(document.get("data"), call.operation), as_of=answer.as_of)
        cursor = parse_text(parse_object(document, "pagination") or {}, "after")
        if not cursor:
            return
        if cursor in seen or len(cursor) > MAX_CURSOR_LENGTH or not cursor.isprintable():
            raise EnodeProtocolError(call.operation, fault="a cursor that leads nowhere")
        seen.add(cursor)
        query = {"pageSize": PAGE_SIZE, "after": cursor}
