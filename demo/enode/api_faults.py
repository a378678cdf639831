"""Faults injected into the API: the next N requests of a route fail, are throttled or are delayed."""

import asyncio
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from demo.enode.problems import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiFault:
    """A fault for the next `times` requests with this method and path pattern (`*` matches anything)."""

    method: str
    path: str
    times: int
    status: int | None
    """None: the request is only delayed."""
    body: Json
    headers: dict[str, str]
    delay: float
    """Real seconds."""


@dataclass(slots=True)
class ApiFaults:
    """The pending faults, oldest first."""

    pending: list[ApiFault] = field(default_factory=list)

    def consume(self, method: str, path: str) -> ApiFault | None:
        """Return the first fault that matches this request, and count it down."""
        for index, fault in enumerate(self.pending):
            if fault.method in {method, "*"} and fnmatchcase(path, fault.path):
                self.pending[index : index + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                return fault
        return None


class ApiFaultMiddleware:
    """Applies the pending faults to every request except those of the control API."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        fault = None
        if scope["type"] == "http" and not scope["path"].startswith("/_sim"):
            faults: ApiFaults = scope["state"]["engine"].api_faults
            fault = faults.consume(scope["method"], scope["path"])
        if fault is not None:
            await asyncio.sleep(fault.delay)
        if fault is None or fault.status is None:
            await self._app(scope, receive, send)
            return
        answer = JSONResponse(fault.body, status_code=fault.status, headers=fault.headers)
        await answer(scope, receive, send)
