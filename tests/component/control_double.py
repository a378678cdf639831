"""The part of the relay's double that controls vehicles: commands, sessions, and settings of the account."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

TESLA = "a1f0c2d4-0000-4000-8000-000000000001"


def make_command(vehicle_id: str = TESLA, kind: str = "STOP", state: str = "pending", **changes: Any) -> dict[str, Any]:
    return {
        "id": "c0000000-0000-4000-8000-000000000001",
        "vehicle_id": vehicle_id,
        "kind": kind,
        "state": state,
        "reason": None,
        "requested_at": "2026-11-20T18:05:00.000Z",
        "settled_at": None,
    } | changes


def make_transition(
    kind: str, vehicle_id: str = TESLA, *, age: timedelta = timedelta(0), **changes: Any
) -> dict[str, Any]:
    """Return a transition that occurred, and was stored by the relay, `age` ago."""
    at = (datetime.now(UTC) - age).isoformat()
    return {"vehicle_id": vehicle_id, "type": kind, "occurred_at": at, "recorded_at": at, "replayed": False} | changes


def make_session(
    session_id: str, start: str, end: str | None, vehicle_id: str = TESLA, **changes: Any
) -> dict[str, Any]:
    return {
        "id": session_id,
        "vehicle_id": vehicle_id,
        "kind": "charge",
        "state": "open" if end is None else "ended",
        "started_at": start,
        "ended_at": end,
        "energy_kwh": 28.4,
        "energy_source": "power",
        "estimated": False,
        "soc_start": 31,
        "soc_end": 79,
        "peak_kw": 7.2,
        "at_home": True,
        "latitude": 52.09,
        "longitude": 5.12,
        "odometer_km": 48213,
        "cost": {"amount": 8.8, "currency": "EUR", "per_kwh": 0.31},
        "cost_unknown": None,
        "amended_at": None,
        "corrected_by_owner": False,
        "derived_energy_kwh": 28.4,
    } | changes


def get_seq(cursor: str) -> int:
    return int(cursor.partition(".")[2])


class ControlDouble:
    """Routes that the double adds to its others."""

    commands: dict[str, dict[str, Any]]
    command_changes: dict[str, Any]
    relink_response: dict[str, Any]
    requests: list[Any]
    _check_request: Callable[[web.Request, str], Awaitable[web.Response | None]]
    _json: Callable[..., web.Response]

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {"enabled": False, "ready_by": None, "minimum_level": 0}
        """Of smart charging."""
        self.sessions: list[dict[str, Any]] = []
        """Newest first."""

    def add_control_routes(self, app: web.Application) -> None:
        app.router.add_post("/api/ha/v2/vehicles/{id}/max-current", self._max_current)
        app.router.add_post("/api/ha/v2/commands/{id}/cancel", self._cancel)
        app.router.add_get("/api/ha/v2/vehicles/{id}/sessions", self._sessions)
        app.router.add_put("/api/ha/v2/vehicles/{id}/smart-charging", self._smart_charging)
        app.router.add_route("*", "/api/ha/v2/vehicles/{id}/smart-charging/override", self._accept("override"))
        app.router.add_post("/api/ha/charging/{id}/odometer", self._accept("odometer"))

    async def _max_current(self, request: web.Request) -> web.Response:
        if refusal := await self._check_request(request, "max_current"):
            return refusal
        amps = self.requests[-1].body["amps"]
        created = make_command(request.match_info["id"], "MAX_CURRENT", amps=amps, **self.command_changes)
        self.commands[created["id"]] = created
        return self._json(created, 202)

    async def _cancel(self, request: web.Request) -> web.Response:
        if refusal := await self._check_request(request, "cancel"):
            return refusal
        cancelled = self.commands[request.match_info["id"]] | {"state": "cancelled"}
        self.commands[cancelled["id"]] = cancelled
        return self._json(cancelled)

    async def _sessions(self, request: web.Request) -> web.Response:
        """Pages of two sessions."""
        if refusal := await self._check_request(request, "sessions"):
            return refusal
        self.requests[-1].body = dict(request.query)
        sessions = [item for item in self.sessions if item["vehicle_id"] == request.match_info["id"]]
        start = int(request.query.get("before", "0"))
        rest = len(sessions) > start + 2
        return self._json({"sessions": sessions[start : start + 2], "next_before": str(start + 2) if rest else None})

    async def _smart_charging(self, request: web.Request) -> web.Response:
        if refusal := await self._check_request(request, "smart_charging"):
            return refusal
        self.settings |= self.requests[-1].body
        return self._json(self.settings)

    def _accept(self, name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            return await self._check_request(request, name) or self._json({"status": "success"})

        return handle
