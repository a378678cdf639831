"""What the relay sends in API v2, as values that tests change: account, records, commands, transitions, problems."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from control_double import TESLA

KEY = "evc_" + "k" * 43
OTHER_KEY = "evc_" + "o" * 43
CODE = "evo_code"
ACCOUNT_ID = "5b1f6f0e-8f5e-4d3c-9a2b-1c0d9e8f7a6b"
HYUNDAI = "a1f0c2d4-0000-4000-8000-000000000002"
RENAULT = "a1f0c2d4-0000-4000-8000-000000000003"
FIXTURE_NAMES = {TESLA: "tesla", HYUNDAI: "hyundai", RENAULT: "renault"}
FIXTURES = Path(__file__).parent / "fixtures"


SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


def sign_headers(body: bytes, *, at: float, message_id: str = "msg_1", secret: str = SECRET) -> dict[str, str]:
    """Create the headers of a POST according to Standard Webhooks. `at` is in seconds since 1970."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{int(at)}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        "Content-Type": "application/json",
    }


def make_account(**changes: Any) -> dict[str, Any]:
    return {
        "id": ACCOUNT_ID,
        "title": "Home garage",
        "plan": "pro",
        "push": True,
        "allowance": {"limit": None, "used": 0, "resets_at": "2026-12-01T00:00:00.000Z", "call_tokens": 0},
        "next_poll_at": None,
        "relay": {"version": "0.1.0", "features": ["charging", "stream"]},
    } | changes


def make_enode_vehicle(vehicle_id: str) -> dict[str, Any]:
    """Return Enode's vehicle object."""
    return json.loads((FIXTURES / f"{FIXTURE_NAMES[vehicle_id]}.json").read_text())


def make_record(
    vehicle_id: str, revision: int = 1, *, vehicle: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """Return the relay's record of a vehicle. `vehicle` is merged into the groups of Enode's object."""
    enode = make_enode_vehicle(vehicle_id)
    for key, value in (vehicle or {}).items():
        enode[key] = enode[key] | value if isinstance(enode[key], dict) and value is not None else value
    return {
        "id": vehicle_id,
        "revision": revision,
        "link": {"state": "ok", "since": "2026-11-01T10:00:00.000Z"},
        "vehicle": enode,
        "corrections": [],
        "command": None,
    } | changes


def get_all_ids(record: dict[str, Any]) -> list[str]:
    """Return the relay's id of a record, Enode's, and those that Enode had before."""
    return [record["id"], record["vehicle"].get("id"), *record.get("former_ids", [])]


@dataclass
class Problem:
    """An error response. `is_relay`: whether it has the header of a relay."""

    status: int
    slug: str | None = None
    members: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    is_relay: bool = True

    def response(self) -> web.Response:
        headers = ({"X-EVConduit-Relay": "0.1.0"} if self.is_relay else {}) | self.headers
        if self.body is not None:
            return web.Response(status=self.status, body=self.body, headers=headers, content_type="application/json")
        problem = {"type": f"urn:evconduit:problem:{self.slug}", "title": "No.", "status": self.status, "detail": "No."}
        return web.json_response(
            problem | self.members, status=self.status, headers=headers, content_type="application/problem+json"
        )


@dataclass
class Request:
    """A received request."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
