"""Metrics routes for the operator's monitoring, protected by the internal key: Prometheus's text format and JSON."""

import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, LiteralString, TypedDict

from fastapi import APIRouter, Depends, Header, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from relay.kit.client_network import get_request_network
from relay.kit.problems import Problem
from relay.kit.rate_limiter import RateLimiter
from relay.kit.security_events import SecurityEvent, log_security_event
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.operations.collect_metrics import MeasuredMetric, collect_metrics

METRICS_CONTENT = {"text/plain": {"schema": {"type": "string"}}}
FAILED_ATTEMPTS_PER_MINUTE = 10
"""Of a client's network. A correct key isn't counted, so monitoring may ask as often as it wants."""


class StatusRecord(TypedDict):
    """Metrics by name; a metric with a label has a value for each label."""

    figures: dict[str, float | dict[str, float] | None]


INTERNAL_KEY_FAILURES_TO_REPORT = 5
"""A mistyped key is no event; so many wrong ones are."""


class InternalKeyFailures:
    """Counts wrong internal keys, and reports every fifth of this process as a security event."""

    def __init__(self) -> None:
        self._count = 0

    def count(self) -> None:
        """Count one wrong key."""
        self._count += 1
        if self._count % INTERNAL_KEY_FAILURES_TO_REPORT == 0:
            log_security_event(SecurityEvent.INTERNAL_KEY_FAILURES, count=INTERNAL_KEY_FAILURES_TO_REPORT)


def create_metrics_router(internal_key: str, registry: CollectorRegistry) -> APIRouter:
    """Create the metrics routes. `registry` holds the metrics that this process records itself."""
    router = APIRouter(dependencies=[Depends(_require_internal_key(internal_key))])

    @router.get("/metrics", response_class=Response, responses={200: {"content": METRICS_CONTENT}})
    async def get_metrics(runtime: RuntimeDependency) -> Response:
        """Metrics in Prometheus's text format."""
        measured = await _collect_metrics(runtime)
        streams = (
            f"# HELP evconduit_streams Open streams of this process.\nevconduit_streams {runtime.hub.stream_count}\n"
        )
        body = render_metrics(measured) + generate_latest(registry) + streams.encode()
        return Response(body, media_type=CONTENT_TYPE_LATEST)

    @router.get("/api/v1/internal/status")
    async def get_status(runtime: RuntimeDependency) -> StatusRecord:
        """The database's metrics, as `evconduit status --json` prints them."""
        measured = await _collect_metrics(runtime)
        return {
            "figures": {
                item.metric.name: dict(item.values) if item.metric.label else item.values.get("") for item in measured
            }
        }

    return router


def _require_internal_key(internal_key: str) -> Callable[..., Awaitable[None]]:
    limiter = RateLimiter(per_minute=FAILED_ATTEMPTS_PER_MINUTE, counted="attempts with a wrong key")
    failures = InternalKeyFailures()

    async def require_internal_key(
        request: Request,
        x_internal_api_key: Annotated[str | None, Header()] = None,
        authorization: Annotated[str | None, Header()] = None,
    ) -> None:
        received_key = x_internal_api_key or (authorization or "").removeprefix("Bearer ")
        network = get_request_network(request)
        # Before the comparison: a client above the limit doesn't learn whether its key is right.
        limiter.require_available(network)
        if not hmac.compare_digest(received_key.encode("utf-8", "replace"), internal_key.encode()):
            if received_key:
                failures.count()
                limiter.check(network)
            raise Problem(
                401,
                "unauthorized",
                "The internal key is missing or wrong. Send the value of EVCONDUIT_INTERNAL_API_KEY.",
                headers={"WWW-Authenticate": "Bearer"},
            )

    return require_internal_key


async def _collect_metrics(runtime: Runtime) -> Sequence[MeasuredMetric]:
    async with runtime.pool.connection() as connection:

        async def fetch(statement: LiteralString) -> Sequence[tuple[object, ...]]:
            return await (await connection.execute(statement)).fetchall()

        return await collect_metrics(fetch)


def render_metrics(measured: Sequence[MeasuredMetric]) -> bytes:
    """Render metrics as Prometheus gauges."""
    registry = CollectorRegistry()
    for item in measured:
        labels = [item.metric.label] if item.metric.label else []
        gauge = Gauge(f"evconduit_{item.metric.name}", item.metric.help, labels, registry=registry)
        for label, value in item.values.items():
            (gauge.labels(label) if labels else gauge).set(value)
    return generate_latest(registry)
