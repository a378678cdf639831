"""Enode's pagination with opaque `after` and `before` cursors."""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request

from demo.enode.problems import Json, bad_request

DEFAULT_SIZE = 50
WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")

type SortKey = tuple[str, str]
"""Creation time and id of a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """The requested page. At most one of `after` and `before` is set."""

    size: int = DEFAULT_SIZE
    after: SortKey | None = None
    before: SortKey | None = None


def parse_page_request(request: Request) -> PageRequest:
    """Parse the page parameters of a request. Raises the 400 for invalid ones."""
    query = request.query_params
    after, before = query.get("after"), query.get("before")
    if after is not None and before is not None:
        raise bad_request("after and before cannot be set together")
    size = query.get("pageSize", str(DEFAULT_SIZE))
    if not WHOLE_NUMBER.fullmatch(size) or int(size) < 1:
        raise bad_request("pageSize: must be an integer greater than 0")
    return PageRequest(
        size=int(size),
        after=None if after is None else _decode_cursor(after),
        before=None if before is None else _decode_cursor(before),
    )


def build_page[T](
    items: Sequence[T], key: Callable[[T], SortKey], render: Callable[[T], Json], page_request: PageRequest
) -> Json:
    """Build Enode's page of `items`, ordered by `key`."""
    rows = sorted(items, key=key)
    if page_request.before is not None:
        candidates = [row for row in rows if key(row) < page_request.before]
        selected = candidates[-page_request.size :]
    else:
        candidates = [row for row in rows if page_request.after is None or key(row) > page_request.after]
        selected = candidates[: page_request.size]
    if not selected:
        return {"data": [], "pagination": {"after": None, "before": None}}
    first, last = key(selected[0]), key(selected[-1])
    return {
        "data": [render(row) for row in selected],
        "pagination": {
            "after": _encode_cursor(last) if last < key(rows[-1]) else None,
            "before": _encode_cursor(first) if first > key(rows[0]) else None,
        },
    }


def build_empty_page(page_request: PageRequest) -> Json:
    """Build a page of assets that the simulator does not have."""
    no_rows: list[Json] = []
    return build_page(no_rows, lambda row: (row["id"], row["id"]), lambda row: row, page_request)


def _encode_cursor(key: SortKey) -> str:
    return base64.urlsafe_b64encode(" ".join(key).encode()).decode()


def _decode_cursor(cursor: str) -> SortKey:
    try:
        created_at, _, name = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().partition(" ")
    except binascii.Error, ValueError:
        raise bad_request("the cursor is not valid") from None
    return created_at, name
