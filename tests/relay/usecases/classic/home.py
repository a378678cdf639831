"""Test double of a Home Assistant with the classic client's webhook handler, as a real server on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

IDS = ("enodeVehicleId", "internalVehicleId", "vehicleId")


@dataclass
class Entry:
    """A config entry of the classic client: one vehicle, under the id that was stored at setup."""

    vehicle_id: str
    data: dict | None = field(default_factory=dict)

    def handle_payload(self, payload: object) -> tuple[int, str]:
        """Handle a payload as the client does. `data` is None for an entry whose coordinator doesn't exist yet."""
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
    """Webhooks by id, and all requests received. A webhook without an entry is answered with an empty 200."""

    url: str = ""
    entries: dict[str, Entry] = field(default_factory=dict)
    posts: list[tuple[str, dict, dict, str]] = field(default_factory=list)
    post_received: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        payload = await request.json()
        entry = self.entries.get(request.match_info["webhook_id"])
        try:
            status, text = entry.handle_payload(payload) if entry else (200, "")
        except Exception:  # noqa: BLE001 - as the client does
            status, text = 500, "Error"
        self.posts.append((request.match_info["webhook_id"], dict(request.headers), payload, text))
        self.post_received.set()
        return web.Response(status=status, text=text)

    async def wait_until(self, condition: Callable[[], object], seconds: float = 30) -> None:
        """Wait for requests until the condition is true."""
        async with asyncio.timeout(seconds):
            while not condition():
                self.post_received.clear()
                await self.post_received.wait()


@asynccontextmanager
async def run_home() -> AsyncIterator[Home]:
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
