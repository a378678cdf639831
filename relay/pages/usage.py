"""What was used of the month's calls, by day, by kind of call and by installation."""

from collections.abc import Sequence
from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.pages.chart import bar_chart
from relay.pages.rendering import page
from relay.pages.visitors import SignedIn
from relay.usecases.runtime import RuntimeDependency
from relay.usecases.tell_usage import Usage, read_usage

_NEARLY = 0.9

router = APIRouter(include_in_schema=False)


@router.get("/usage")
async def usage(request: Request, runtime: RuntimeDependency, visitor: SignedIn) -> Response:
    """The month so far."""
    async with runtime.pool.connection() as connection:
        used = await read_usage(connection, visitor.user_id, runtime.plans)
    last = used.resets_at - timedelta(microseconds=1)
    places = (last.date() - used.began_at.date()).days + 1
    return page(
        request,
        "usage.html",
        usage=used,
        chart=bar_chart([it.calls for it in used.days], places=places),
        total=sum(it.calls for it in used.days),
        meter=_meter(used),
        routes=_shares([(it.route, it.calls) for it in used.routes]),
    )


def _meter(usage: Usage) -> str:
    if not usage.limit:
        return "good"
    share = usage.used / usage.limit
    return "bad" if share >= 1 else "warn" if share >= _NEARLY else "good"


def _shares(counted: Sequence[tuple[str, int]]) -> list[tuple[str, int, float]]:
    """Each with its part of all, in per cent."""
    everything = sum(calls for _, calls in counted) or 1
    return [(name, calls, 100 * calls / everything) for name, calls in counted]
