"""The month's calls by day, route and installation."""

from collections.abc import Sequence
from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.pages.chart import build_bar_chart, build_date_axis
from relay.pages.rendering import render_page
from relay.pages.visitors import SignedInVisitor
from relay.usecases.account.usage_report import UsageReport, get_usage_report
from relay.usecases.calls.runtime import RuntimeDependency

_WARNING_SHARE = 0.9

router = APIRouter(include_in_schema=False)


@router.get("/usage")
async def show_usage(request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor) -> Response:
    """Show the usage of the current quota month."""
    async with runtime.pool.connection() as connection:
        report = await get_usage_report(connection, visitor.user_id, runtime.plans)
    last_moment = report.resets_at - timedelta(microseconds=1)
    day_count = (last_moment.date() - report.began_at.date()).days + 1
    return render_page(
        request,
        "usage.html",
        usage=report,
        axis=[(label.x, report.began_at.date() + timedelta(days=label.slot)) for label in build_date_axis(day_count)],
        chart=build_bar_chart([day.calls for day in report.days], slot_count=day_count),
        total=sum(day.calls for day in report.days),
        meter=_get_meter_level(report),
        routes=_compute_shares([(route.route, route.calls) for route in report.routes]),
    )


def _get_meter_level(usage: UsageReport) -> str:
    if not usage.limit:
        return "good"
    share = usage.used / usage.limit
    return "bad" if share >= 1 else "warn" if share >= _WARNING_SHARE else "good"


def _compute_shares(counts: Sequence[tuple[str, int]]) -> list[tuple[str, int, float]]:
    """Add to each count its share of the total in percent."""
    total = sum(calls for _, calls in counts) or 1
    return [(name, calls, 100 * calls / total) for name, calls in counts]
