"""How the relay does, in figures: a row each, from its name to the statement that reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString, Protocol

from relay.delivery.metrics import DELIVERY_METRICS


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A measured value. With `label` the statement gives rows of (label, value), else one value; null is left out."""

    name: str
    help: str
    statement: LiteralString
    label: str | None = None


METRICS: tuple[Metric, ...] = (
    Metric(
        name="inbox_events",
        help="Events in the inbox that wait, and that were set aside for a person.",
        statement="""
        select state, count(*)::float8 from webhook_logs where state = 'pending' group by state
        union all
        select state, count(*)::float8 from webhook_logs where state = 'set_aside' group by state
        """,
        label="state",
    ),
    Metric(
        name="inbox_oldest_pending_seconds",
        help="Age of the oldest event that nobody has acted on, or since its replay; 0 when there is none.",
        statement="""
        select coalesce(extract(epoch from now() - min(coalesce(replayed_at, created_at))), 0)::float8
        from webhook_logs
        where state = 'pending'
        """,
    ),
    Metric(
        name="enode_heard_seconds",
        help="Since Enode last posted anything signed.",
        statement="""
        select extract(epoch from now() - created_at)::float8 from webhook_logs where source = 'webhook'
        order by created_at desc limit 1
        """,
    ),
    Metric(
        name="enode_heartbeat_seconds",
        help="Since Enode's last heartbeat or test, by Enode's clock.",
        statement="select extract(epoch from now() - max(last_success))::float8 from webhook_subscriptions",
    ),
    Metric(
        name="enode_webhook_state",
        help="1 for the state that Enode's webhook is in.",
        statement="select state, 1::float8 from enode_health",
        label="state",
    ),
    Metric(
        name="signature_failures_last_hour",
        help="Deliveries of the last hour whose signature was missing or wrong.",
        statement="""
        select coalesce(sum(count), 0)::float8 from signature_failures where minute > now() - interval '1 hour'
        """,
    ),
    Metric(
        name="endpoints",
        help="Webhook endpoints by how they do.",
        statement=f"select state, endpoints::float8 from ({DELIVERY_METRICS}) as it",  # noqa: S608 - our own constant
        label="state",
    ),
    Metric(
        name="endpoints_oldest_undelivered_seconds",
        help="For how long the endpoint furthest behind has been owed something.",
        statement=f"select state, oldest_undelivered_seconds::float8 from ({DELIVERY_METRICS}) as it",  # noqa: S608 - as above
        label="state",
    ),
    Metric(
        name="commands_open",
        help="Commands whose outcome is not known yet.",
        statement="select count(*)::float8 from commands where settled_at is null",
    ),
    Metric(
        name="vehicles",
        help="Cars by the state of their link.",
        statement="select link_state, count(*)::float8 from vehicles where gone_at is null group by link_state",
        label="link",
    ),
    Metric(
        name="paused",
        help="1 for what the operator has paused.",
        statement="select key, 1::float8 from settings where key like '%_paused' and value = 'true'",
        label="what",
    ),
)


class FetchRows(Protocol):
    """Runs a statement and gives its rows."""

    async def __call__(self, statement: LiteralString) -> Sequence[tuple[object, ...]]:
        """All rows."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredMetric:
    """A figure and its values by label; the label is empty where the figure has none."""

    metric: Metric
    values: Mapping[str, float]


async def collect_metrics(fetch_rows: FetchRows, metrics: Sequence[Metric] = METRICS) -> list[MeasuredMetric]:
    """All figures as of now."""
    return [MeasuredMetric(metric=it, values=parse_metric_rows(it, await fetch_rows(it.statement))) for it in metrics]


def parse_metric_rows(metric: Metric, rows: Sequence[tuple[object, ...]]) -> dict[str, float]:
    """The values in the rows of a figure's statement."""
    if metric.label is not None:
        return {str(label): float(str(value)) for label, value in rows}
    found = [value for (value,) in rows if value is not None]
    return {"": float(str(found[0]))} if found else {}
