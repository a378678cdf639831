"""The part of the relay's test double for what a user sets up: linked cars, home, electricity rate, and the webhook."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

RELAY_HEADERS = {"X-EVConduit-Relay": "0.1.0"}

type CheckRequest = Callable[[web.Request, str], Awaitable[web.Response | None]]
type CreateResponse = Callable[..., web.Response]


class SettingsDouble:
    """Routes with their state, which tests set and read."""

    def __init__(self, check_request: CheckRequest, create_response: CreateResponse) -> None:
        self._check_request = check_request
        self._json = create_response
        self.link_page: dict[str, Any] = {"url": "https://relay.example.com/link/once", "link_id": "l1"}
        self.link_result: dict[str, Any] = {"state": "waiting", "vehicles": []}
        self.home: dict[str, Any] | None = None
        self.rate: dict[str, Any] | None = None
        self.test_failure: str | None = None

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/api/ha/v2/endpoint/test", self._test_endpoint)
        app.router.add_post("/api/user/link-vehicle", self._link_vehicle)
        app.router.add_post("/api/user/link-result", self._link_result)
        app.router.add_route("*", "/api/ha/v2/home", self._home)
        app.router.add_route("*", "/api/ha/v2/electricity-rate", self._rate)

    async def _test_endpoint(self, request: web.Request) -> web.Response:
        result = {"delivered": self.test_failure is None, "failure": self.test_failure}
        return await self._check_request(request, "endpoint-test") or self._json(result)

    async def _link_vehicle(self, request: web.Request) -> web.Response:
        return await self._check_request(request, "link_vehicle") or self._json(self.link_page)

    async def _link_result(self, request: web.Request) -> web.Response:
        return await self._check_request(request, "link-result") or self._json(self.link_result)

    async def _home(self, request: web.Request) -> web.Response:
        if refusal := await self._check_request(request, "home"):
            return refusal
        self.home = await _store(request, self.home)
        return self._answer(request, self.home)

    async def _rate(self, request: web.Request) -> web.Response:
        if refusal := await self._check_request(request, "electricity_rate"):
            return refusal
        self.rate = await _store(request, self.rate)
        return self._answer(request, self.rate)

    def _answer(self, request: web.Request, value: dict[str, Any] | None) -> web.Response:
        if request.method == "DELETE":
            return web.Response(status=204, headers=RELAY_HEADERS)
        if value is None:
            return web.json_response({"type": "urn:evconduit:problem:not-found"}, status=404, headers=RELAY_HEADERS)
        return self._json(value)


async def _store(request: web.Request, current: dict[str, Any] | None) -> dict[str, Any] | None:
    if request.method == "PUT":
        stored: dict[str, Any] = await request.json()
        return stored
    return None if request.method == "DELETE" else current
