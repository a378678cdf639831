"""Collect the relay's operational metrics: a table from each metric's name to the statement that reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString, Protocol

from relay.delivery.metrics import DELIVERY_METRICS
from relay.kit.stored_times import is_recent


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A metric. Its statement returns rows of (label, value) if it has a `label`, else one value; nulls are skipped."""

    name: str
    help: str
    statement: LiteralString
    label: str | None = None


METRICS: tuple[Metric, ...] = (
    Metric(
        name="inbox_events",
        help="Events in the inbox that are pending, and that were set aside for review.",
        statement="""
        select state, count(*)::float8 from webhook_logs where state = 'pending' group by state
        union all
        select state, count(*)::float8 from webhook_logs where state = 'set_aside' group by state
        """,
        label="state",
    ),
    Metric(
        name="inbox_oldest_pending_seconds",
        help="Time since the oldest pending event arrived or was replayed; 0 without pending events.",
        statement="""
        select coalesce(extract(epoch from now() - min(coalesce(replayed_at, created_at))), 0)::float8
        from webhook_logs
        where state = 'pending'
        """,
    ),
    Metric(
        name="enode_heard_seconds",
        help="Time since Enode last posted anything with a valid signature.",
        statement="""
        select extract(epoch from now() - created_at)::float8 from webhook_logs where source = 'webhook'
        order by created_at desc limit 1
        """,
    ),
    Metric(
        name="enode_heartbeat_seconds",
        help="Time since Enode's last heartbeat or test, by Enode's clock.",
        statement="select extract(epoch from now() - max(last_success))::float8 from webhook_subscriptions",
    ),
    Metric(
        name="enode_webhook_state",
        help="1 for the current state of Enode's webhook.",
        statement="select state, 1::float8 from enode_health",
        label="state",
    ),
    Metric(
        name="signature_failures_last_hour",
        help="Webhook requests of the last hour whose signature was missing or wrong.",
        statement=f"""
        select coalesce(sum(count), 0)::float8 from signature_failures where {is_recent("minute", "interval '1 hour'")}
        """,  # noqa: S608 - our own constant
    ),
    Metric(
        name="endpoints",
        help="Webhook endpoints by delivery state.",
        statement=f"select state, endpoints::float8 from ({DELIVERY_METRICS}) as delivery",  # noqa: S608 - our own constant
        label="state",
    ),
    Metric(
        name="endpoints_oldest_undelivered_seconds",
        help="Age of the oldest message that an endpoint has not received.",
        statement=f"select state, oldest_undelivered_seconds::float8 from ({DELIVERY_METRICS}) as delivery",  # noqa: S608 - as above
        label="state",
    ),
    Metric(
        name="commands_open",
        help="Commands whose outcome is still open.",
        statement="select count(*)::float8 from commands where settled_at is null",
    ),
    Metric(
        name="vehicles",
        help="Vehicles by link state.",
        statement="select link_state, count(*)::float8 from vehicles where gone_at is null group by link_state",
        label="link",
    ),
    Metric(
        name="paused",
        help="1 for each switch that the operator has paused.",
        statement="select key, 1::float8 from settings where key like '%_paused' and value = 'true'",
        label="what",
    ),
)


class FetchRows(Protocol):
    """Runs a statement and returns its rows."""

    async def __call__(self, statement: LiteralString) -> Sequence[tuple[object, ...]]:
        """Return all rows."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredMetric:
    """A metric and its values by label; the label is empty if the metric has none."""

    metric: Metric
    values: Mapping[str, float]


async def collect_metrics(fetch_rows: FetchRows, metrics: Sequence[Metric] = METRICS) -> list[MeasuredMetric]:
    """Read the current values of all metrics."""
    return [
        MeasuredMetric(metric=metric, values=parse_metric_rows(metric, await fetch_rows(metric.statement)))
        for metric in metrics
    ]


def parse_metric_rows(metric: Metric, rows: Sequence[tuple[object, ...]]) -> dict[str, float]:
    """Parse the rows of a metric's statement into values by label."""
    if metric.label is not None:
        return {str(label): float(str(value)) for label, value in rows}
    values = [value for (value,) in rows if value is not None]
    return {"": float(str(values[0]))} if values else {}
