"""A Home Assistant with the classic client's webhook handler, as a real server on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

IDS = ("enodeVehicleId", "internalVehicleId", "vehicleId")


@dataclass
class Entry:
    """A config entry of the classic client: one car, under the id that was kept when it was set up."""

    vehicle_id: str
    data: dict | None = field(default_factory=dict)

    def take(self, payload: object) -> tuple[int, str]:
        """The handler: `data` None stands for an entry whose coordinator is not there yet."""
        if self.data is None:
            return 404, "No coordinator"
        vehicle = payload.get("vehicle")
        if not vehicle:
            return 400, "Missing vehicle data"
        if self.vehicle_id not in {vehicle.get("id"), vehicle.get("enodeId"), *map(payload.get, IDS)}:
            return 200, "OK (ignored - different vehicle)"
        for key, value in vehicle.items():
            old = self.data.get(key)
            self.data[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
        return 200, "OK"


@dataclass
class Home:
    """Webhooks by id, and all that came. A webhook that nobody handles is answered 200 and nothing."""

    url: str = ""
    entries: dict[str, Entry] = field(default_factory=dict)
    posts: list[tuple[str, dict, dict, str]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        payload = await request.json()
        entry = self.entries.get(request.match_info["webhook_id"])
        try:
            status, text = entry.take(payload) if entry else (200, "")
        except Exception:  # noqa: BLE001 - it is what the client does
            status, text = 500, "Error"
        self.posts.append((request.match_info["webhook_id"], dict(request.headers), payload, text))
        self.news.set()
        return web.Response(status=status, text=text)

    async def until(self, what: Callable[[], object], seconds: float = 30) -> None:
        """Wait for posts until it is true."""
        async with asyncio.timeout(seconds):
            while not what():
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def home_running() -> AsyncIterator[Home]:
    home, app = Home(), web.Application()
    app.router.add_post("/api/webhook/{webhook_id}", home.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    home.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield home
    finally:
        await runner.cleanup()
