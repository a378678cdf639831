"""Answers that were ordered to go wrong: the next N calls of a route fail, are throttled, or are slow."""

import asyncio
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from demo.enode.problems import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiFault:
    """What goes wrong with calls of `method` and a path like `path` (`*` stands for anything), `times` times more."""

    method: str
    path: str
    times: int
    status: int | None
    """None: the call is only delayed."""
    body: Json
    headers: dict[str, str]
    delay: float
    """Real seconds."""


@dataclass(slots=True)
class ApiFaults:
    """The faults in wait, oldest first."""

    pending: list[ApiFault] = field(default_factory=list)

    def consume(self, method: str, path: str) -> ApiFault | None:
        """The fault that befalls this call, which it uses up once."""
        for place, fault in enumerate(self.pending):
            if fault.method in {method, "*"} and fnmatchcase(path, fault.path):
                self.pending[place : place + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                return fault
        return None


class ApiFaultMiddleware:
    """Lets ordered faults befall every call but those of the control surface."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
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
