"""Request durations as a Prometheus histogram. The label is the route's template: a path contains vehicle ids."""

import time

from prometheus_client import CollectorRegistry, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class RequestMetricsMiddleware:
    """Middleware: observe the seconds until each response starts, by method, route and status class."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        self._duration = Histogram(
            "evconduit_request_seconds",
            "Seconds until an answer begins.",
            ("method", "route", "status"),
            registry=registry,
            buckets=BUCKETS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at = time.perf_counter()

        async def send_and_observe(message: Message) -> None:
            if message["type"] == "http.response.start":
                labels = (_get_method_label(scope), _get_route_label(scope), f"{message['status'] // 100}xx")
                self._duration.labels(*labels).observe(time.perf_counter() - started_at)
            await send(message)

        await self._app(scope, receive, send_and_observe)


def _get_method_label(scope: Scope) -> str:
    """Return the method, or "other": clients can invent methods, and each would become a label."""
    methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    return scope["method"] if scope["method"] in methods else "other"


def _get_route_label(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", "none"))
