"""What was used of the month's calls, by day, by kind of call and by installation."""

from collections.abc import Sequence
from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.pages.chart import build_bar_chart
from relay.pages.rendering import render_page
from relay.pages.visitors import SignedInVisitor
from relay.usecases.account.usage_report import UsageReport, get_usage_report
from relay.usecases.calls.runtime import RuntimeDependency

_WARNING_SHARE = 0.9

router = APIRouter(include_in_schema=False)


@router.get("/usage")
async def show_usage(request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor) -> Response:
    """The month so far."""
    async with runtime.pool.connection() as connection:
        used = await get_usage_report(connection, visitor.user_id, runtime.plans)
    last = used.resets_at - timedelta(microseconds=1)
    places = (last.date() - used.began_at.date()).days + 1
    return render_page(
        request,
        "usage.html",
        usage=used,
        chart=build_bar_chart([it.calls for it in used.days], slot_count=places),
        total=sum(it.calls for it in used.days),
        meter=_get_meter_level(used),
        routes=_compute_shares([(it.route, it.calls) for it in used.routes]),
    )


def _get_meter_level(usage: UsageReport) -> str:
    if not usage.limit:
        return "good"
    share = usage.used / usage.limit
    return "bad" if share >= 1 else "warn" if share >= _WARNING_SHARE else "good"


def _compute_shares(counts: Sequence[tuple[str, int]]) -> list[tuple[str, int, float]]:
    """Each with its part of all, in per cent."""
    everything = sum(calls for _, calls in counts) or 1
    return [(name, calls, 100 * calls / everything) for name, calls in counts]
