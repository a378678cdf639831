"""Test double of the shipped classic client: its requests to a relay, and how it reads the answers.

Written from the facts about version 1.9.5. It is as tolerant and as strict as that version.
"""

from dataclasses import dataclass, field

import aiohttp


class UpdateFailedError(Exception):
    """Raised by the client's coordinator: every entity of the vehicle becomes unavailable."""


@dataclass
class ClassicClient:
    """Uses a new session for each request, a bearer key and no retries."""

    base_url: str
    api_key: str
    notifications: list[str] = field(default_factory=list)
    has_polled: bool = False

    async def call(self, method: str, path: str, *, seconds: float = 15, **request) -> tuple[int, str, object]:
        headers = {"Authorization": f"Bearer {self.api_key}"}
        if method == "POST":
            headers["Content-Type"] = "application/json"
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method,
                f"{self.base_url}{path}",
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=seconds),
                **request,
            ) as response,
        ):
            text = await response.text()
            # The client's json() refuses answers that are not application/json, as aiohttp's does.
            body = await response.json() if response.status in {200, 201} else None
            return response.status, text, body

    async def get_user_info(self) -> dict | None:
        status, _, body = await self.call("GET", "/api/me")
        return body if status == 200 else None

    async def list_vehicles(self) -> list[dict]:
        status, _, body = await self.call("GET", "/api/user/vehicles", seconds=10)
        return body if status == 200 and isinstance(body, list) else []

    async def list_choices(self) -> dict[str, str]:
        """What the config flow offers: the id that it stores, and the name that it shows."""
        return {
            vehicle["id"]: vehicle["information"].get("displayName")
            or f"{vehicle['information'].get('brand')} {vehicle['information'].get('model')}"
            for vehicle in await self.list_vehicles()
        }

    async def get_status(self, vehicle_id: str) -> dict:
        is_first, self.has_polled = not self.has_polled, True
        status, text, body = await self.call("GET", f"/api/status/{vehicle_id}")
        if status == 200:
            return body
        if status == 429 and is_first:
            return {}
        if status == 400:
            self.notifications.append(text)
        raise UpdateFailedError(f"HTTP {status}: {text}")

    async def set_charging(self, vehicle_id: str, action: str) -> dict | None:
        _, _, body = await self.call("POST", f"/api/charging/{vehicle_id}", json={"action": action})
        return body

    async def register_webhook(self, webhook_id: str, external_url: str, vehicle_id: str = "") -> str:
        registration = {"webhook_id": webhook_id, "external_url": external_url.rstrip("/"), "vehicle_id": vehicle_id}
        status, _, body = await self.call("POST", "/api/ha/webhook/register", json=registration)
        return "ok" if isinstance(body, dict) else "Pro tier required" if status == 403 else "error"

    async def unregister_webhook(self) -> bool:
        status, _, _ = await self.call("DELETE", "/api/ha/webhook/register")
        return status == 200

    async def push_rate(self, cost_per_kwh: float, currency: str = "AUD") -> dict | None:
        rate = {"cost_per_kwh": cost_per_kwh, "currency": currency}
        status, _, body = await self.call("POST", "/api/ha/electricity-rate", json=rate)
        return body if status == 200 else None

    async def sync_sessions(self, since: str | None = None) -> tuple[list[dict], str | None]:
        """All pages from `since` on, and the `since` of the next sync."""
        sessions: list[dict] = []
        while True:
            path = "/api/ha/charging/sessions?limit=50" + (f"&since={since}" if since else "")
            status, _, body = await self.call("GET", path, seconds=30)
            if status != 200:
                break
            sessions += body["sessions"]
            if not body["has_more"] or not body["sessions"]:
                break
            since = body["sessions"][-1]["start_time"]
        return sessions, max(
            (session.get("created_at") or session["start_time"] for session in sessions), default=since
        )

    async def push_odometer(self, vehicle_id: str, odometer_km: float) -> dict | str | None:
        path = f"/api/ha/charging/{vehicle_id}/odometer"
        status, _, body = await self.call("POST", path, json={"odometer_km": odometer_km})
        return body if status == 200 else "no charging session" if status == 404 else None
