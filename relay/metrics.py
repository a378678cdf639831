"""`GET /metrics` for Prometheus: the figures of the database, and what this process did. Only with the internal key."""

import hmac
from collections.abc import Sequence
from typing import Annotated, LiteralString

from fastapi import APIRouter, Depends, Header, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from relay.kit.problems import Problem
from relay.usecases.measure import Measured, measure
from relay.usecases.runtime import RuntimeDependency


def metrics_router(internal_key: str, registry: CollectorRegistry) -> APIRouter:
    """The route. `registry` holds what this process did."""

    async def permitted(
        x_internal_api_key: Annotated[str | None, Header()] = None,
        authorization: Annotated[str | None, Header()] = None,
    ) -> None:
        given = x_internal_api_key or (authorization or "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), internal_key.encode()):
            raise Problem(401, "unauthorized", "Give the internal key.", headers={"WWW-Authenticate": "Bearer"})

    router = APIRouter(tags=["Operator"], dependencies=[Depends(permitted)])

    @router.get("/metrics", response_class=Response)
    async def get_metrics(runtime: RuntimeDependency) -> Response:
        """Figures in Prometheus's text format."""
        async with runtime.pool.connection() as connection:

            async def fetch(statement: LiteralString) -> Sequence[tuple[object, ...]]:
                return await (await connection.execute(statement)).fetchall()

            measured = await measure(fetch)
        streams = f"# HELP evconduit_streams Open streams of this process.\nevconduit_streams {runtime.hub.streams}\n"
        body = render(measured) + generate_latest(registry) + streams.encode()
        return Response(body, media_type=CONTENT_TYPE_LATEST)

    return router


def render(measured: Sequence[Measured]) -> bytes:
    """Figures as gauges."""
    registry = CollectorRegistry()
    for it in measured:
        labels = [it.figure.label] if it.figure.label else []
        gauge = Gauge(f"evconduit_{it.figure.name}", it.figure.help, labels, registry=registry)
        for label, value in it.values.items():
            (gauge.labels(label) if labels else gauge).set(value)
    return generate_latest(registry)
