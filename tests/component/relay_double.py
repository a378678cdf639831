"""A test double of the relay: API v2 on a real loopback socket, with streams that the test controls.

It implements only the wire format. `tests/e2e` runs the integration against the real relay.
"""

import asyncio
import base64
import hashlib
import itertools
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.test_utils import TestServer
from control_double import ControlDouble, get_seq, make_command, make_transition
from relay_messages import (
    ACCOUNT_ID,
    CODE,
    FIXTURE_NAMES,
    FIXTURES,
    HYUNDAI,
    KEY,
    OTHER_KEY,
    RENAULT,
    SECRET,
    TESLA,
    Problem,
    Request,
    get_all_ids,
    make_account,
    make_enode_vehicle,
    make_record,
    sign_headers,
)
from settings_double import SettingsDouble

__all__ = [
    "ACCOUNT_ID",
    "CODE",
    "FIXTURES",
    "FIXTURE_NAMES",
    "HYUNDAI",
    "KEY",
    "OTHER_KEY",
    "RENAULT",
    "SECRET",
    "TESLA",
    "Problem",
    "RelayDouble",
    "Request",
    "get_all_ids",
    "get_seq",
    "make_account",
    "make_command",
    "make_enode_vehicle",
    "make_record",
    "make_transition",
    "sign_headers",
]


class RelayDouble(ControlDouble):
    """The double. Tests set its public state and send messages on its streams."""

    def __init__(self, *, path: str = "") -> None:
        """`path`: the path of the address below which it is served, as by a reverse proxy."""
        super().__init__()
        self._path = path
        self.account = make_account()
        self.records: dict[str, dict[str, Any]] = {}
        self.commands: dict[str, dict[str, Any]] = {}
        self.keys = {KEY: ACCOUNT_ID}
        self.problems: dict[str, Problem] = {}
        self.before_response: dict[str, Callable[[], Awaitable[None]]] = {}
        self.requests: list[Request] = []
        self.deleted_classic_webhooks: list[str] = []
        self.streams: list[asyncio.Queue[bytes | None]] = []
        self.epoch = "e1"
        self.seq = itertools.count(1)
        self.command_changes: dict[str, Any] = {}
        self.withholds_snapshot = False
        self.has_gap = False
        self.sent_at_connect = b""
        self.transitions: list[dict[str, Any]] = []
        """What a poll gets if it sends a cursor."""
        self.endpoint: dict[str, Any] | None = None
        self.relink_response: dict[str, Any] = {
            "url": "https://link.example.com/once",
            "expires_at": "2026-11-20T18:20:00Z",
        }
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.url = ""
        self.energy_hours: dict[str, list[dict[str, Any]] | None] = {}
        self.hours_per_page = 2000
        self.has_oauth = True
        self.authorize_url = ""
        self.signed_in_user_id = ACCOUNT_ID
        self.access_token_lifetime = 1800
        self.challenge = ""
        self.refresh_tokens: set[str] = set()
        self.installation: str | None = None
        self.grants: dict[tuple[str, str], str] = {}
        self.token_counter = itertools.count(1)
        app = self._create_app()
        if path:
            outer = web.Application()
            outer.add_subapp(path, app)
        self._server = TestServer(outer if path else app, host="127.0.0.1")

    def _create_app(self) -> web.Application:
        app = web.Application()
        self.setup = SettingsDouble(self._check_request, self._json)
        self.setup.add_routes(app)
        app.on_response_prepare.append(self._set_date)
        app.router.add_get("/.well-known/oauth-authorization-server", self._metadata)
        app.router.add_post("/oauth/token", self._token)
        app.router.add_post("/oauth/revoke", self._revoke)
        app.router.add_get("/api/ha/v2/account", self._account)
        app.router.add_get("/api/ha/v2/vehicles", self._vehicles)
        app.router.add_get("/api/ha/v2/vehicles/{id}", self._vehicle)
        app.router.add_delete("/api/ha/webhook/register", self._classic_webhook)
        app.router.add_get("/api/ha/v2/stream", self._stream)
        app.router.add_get("/api/ha/v2/vehicles/{id}/energy-hours", self._energy_hours)
        app.router.add_post("/api/ha/v2/vehicles/{id}/charging", self._charging)
        app.router.add_get("/api/ha/v2/commands/{id}", self._command)
        self.add_control_routes(app)
        app.router.add_patch("/api/ha/v2/account", self._patch_account)
        app.router.add_post("/api/ha/v2/vehicles/{id}/relink", self._relink)
        app.router.add_post("/api/ha/v2/vehicles/{id}/refresh", self._refresh)
        app.router.add_route("*", "/api/ha/v2/endpoint", self._endpoint)
        return app

    async def start(self) -> None:
        await self._server.start_server(shutdown_timeout=0.1)
        self.url = str(self._server.make_url("/")).rstrip("/") + self._path

    async def close(self) -> None:
        self.break_streams()
        await self._server.close()

    # Called by tests

    def add_vehicles(self, *vehicle_ids: str) -> None:
        for vehicle_id in vehicle_ids:
            self.records[vehicle_id] = make_record(vehicle_id)

    def snapshot(self) -> dict[str, Any]:
        gap = {"gap": True} if self.has_gap else {}
        vehicles = list(self.records.values())
        return {
            "at": "2026-11-20T18:05:00.000Z",
            "epoch": self.epoch,
            "account": self.account,
            "vehicles": vehicles,
            **gap,
        }

    def push_record(self, changed: dict[str, Any]) -> None:
        """Replace a vehicle's record and send it on all streams."""
        self.records[changed["id"]] = changed
        self.send("vehicle", changed)

    def remove_vehicle(self, vehicle_id: str) -> None:
        del self.records[vehicle_id]
        self.send("vehicle_removed", {"id": vehicle_id, "reason": "unlinked"})

    def send(self, event: str, data: Any, *, cursor: bool = True) -> None:
        text = f"event: {event}\n"
        if cursor:
            text += f"id: {self.epoch}.{next(self.seq)}\n"
        self.write(f"{text}data: {json.dumps(data)}\n\n".encode())

    def write(self, chunk: bytes) -> None:
        for stream in self.streams:
            stream.put_nowait(chunk)

    def break_streams(self) -> None:
        for stream in self.streams:
            stream.put_nowait(None)

    @contextmanager
    def failing(self, *names: str, with_: Problem) -> Iterator[None]:
        """Respond to `names` (account, vehicles, stream, charging, command, …) with a problem inside the context."""
        self.problems |= dict.fromkeys(names, with_)
        yield
        for name in names:
            del self.problems[name]

    def get_requests(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path.endswith(path)]

    def issue_tokens(self, user_id: str = ACCOUNT_ID) -> dict[str, Any]:
        """Issue a token pair, in the form of the token endpoint's response."""
        number = next(self.token_counter)
        access, refresh = f"eva_{number}", f"evr_{number}"
        self.keys[access] = user_id
        self.refresh_tokens.add(refresh)
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self.access_token_lifetime,
            "refresh_token": refresh,
            "scope": "read control",
        }

    # Request handlers

    async def _set_date(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = format_datetime(self.now(), usegmt=True)

    async def _metadata(self, request: web.Request) -> web.Response:
        self.requests.append(Request(request.method, request.path, dict(request.headers), None))
        if problem := self.problems.get("metadata"):
            return problem.response()
        if not self.has_oauth:
            return Problem(404, "not-found").response()
        return self._json(
            {
                "issuer": self.url,
                "authorization_endpoint": self.authorize_url or f"{self.url}/oauth/authorize",
                "token_endpoint": "https://elsewhere.example/oauth/token",
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _token(self, request: web.Request) -> web.Response:
        form = dict(parse_qsl(await request.text()))
        self.requests.append(Request(request.method, request.path, dict(request.headers), form))
        if problem := self.problems.get("token"):
            return problem.response()
        if form.get("client_id") != "home-assistant" or "client_secret" in form:
            return self._json({"error": "invalid_client"}, 401)
        if form["grant_type"] == "authorization_code":
            digest = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode()
            is_valid = form["code"] == CODE and digest.rstrip("=") == self.challenge
        else:
            is_valid = form["refresh_token"] in self.refresh_tokens
            self.refresh_tokens.discard(form["refresh_token"])
        if not is_valid:
            return self._json({"error": "invalid_grant"}, 400)
        tokens = self.issue_tokens(self.signed_in_user_id)
        self._supersede(form, tokens["refresh_token"])
        return self._json(tokens)

    def _supersede(self, form: dict[str, str], refresh_token: str) -> None:
        """Revoke the previous sign-in of the same installation. A refresh continues its own grant."""
        if form["grant_type"] == "refresh_token":
            self.grants = {
                key: refresh_token if token == form["refresh_token"] else token for key, token in self.grants.items()
            }
        elif self.installation is not None:
            key = (self.signed_in_user_id, self.installation)
            self.refresh_tokens.discard(self.grants.get(key, ""))
            self.grants[key] = refresh_token

    async def _revoke(self, request: web.Request) -> web.Response:
        form = dict(parse_qsl(await request.text()))
        self.requests.append(Request(request.method, request.path, dict(request.headers), form))
        if problem := self.problems.get("revoke"):
            return problem.response()
        self.refresh_tokens.discard(form["token"])
        self.keys.pop(form["token"].replace("evr_", "eva_"), None)
        return self._json({})

    async def _check_request(self, request: web.Request, name: str) -> web.Response | None:
        body = await request.json() if request.can_read_body else None
        self.requests.append(Request(request.method, request.path, dict(request.headers), body))
        if before := self.before_response.get(name):
            await before()
        if problem := self.problems.get(name):
            return problem.response()
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.keys:
            return Problem(401, "unauthorized", headers={"WWW-Authenticate": "Bearer"}).response()
        return None

    def _json(self, body: Any, status: int = 200) -> web.Response:
        return web.json_response(body, status=status, headers={"X-EVConduit-Relay": "0.1.0"})

    async def _account(self, request: web.Request) -> web.Response:
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return await self._check_request(request, "account") or self._json(self.account | {"id": self.keys.get(key)})

    async def _vehicles(self, request: web.Request) -> web.Response:
        if refusal := await self._check_request(request, "vehicles"):
            return refusal
        after = request.query.get("transitions_after")
        self.requests[-1].body = dict(request.query)
        missed = [item for item in self.transitions if after and get_seq(item["id"]) > get_seq(after)]
        end = self.transitions[-1]["id"] if self.transitions else f"{self.epoch}.0"
        return self._json(deepcopy(self.snapshot()) | {"cursor": end, "transitions": missed})

    async def _vehicle(self, request: web.Request) -> web.Response:
        """Return a vehicle without its state, for any id that it has or had."""
        if refusal := await self._check_request(request, "vehicle"):
            return refusal
        id_ = request.match_info["id"]
        for record in self.records.values():
            if record["link"]["state"] != "over_limit" and id_ in get_all_ids(record):
                return self._json({"id": record["id"], "former_ids": record.get("former_ids", []), "vehicle": {}})
        return Problem(404, "not-found").response()

    async def _classic_webhook(self, request: web.Request) -> web.Response:
        if refusal := await self._check_request(request, "classic webhook"):
            return refusal
        self.deleted_classic_webhooks.append(request.query["webhook_id"])
        return self._json({"status": "success"})

    async def _charging(self, request: web.Request) -> web.Response:
        if refusal := await self._check_request(request, "charging"):
            return refusal
        if (vehicle_id := request.match_info["id"]) not in self.records:
            return Problem(404, "not-found").response()
        created = make_command(vehicle_id, self.requests[-1].body["action"], **self.command_changes)
        self.commands[created["id"]] = created
        return self._json(created, 202)

    async def _energy_hours(self, request: web.Request) -> web.Response:
        """Return hours from the first one with a revision newer than the cursor. Each hour has its `revision`."""
        if refusal := await self._check_request(request, "energy-hours"):
            return refusal
        if (vehicle_id := request.match_info["id"]) not in self.records:
            return Problem(404, "not-found").response()
        if (hours := self.energy_hours.get(vehicle_id, [])) is None:
            return Problem(404, "not-found").response()
        rows = sorted(hours, key=lambda row: row["hour"])
        epoch, _, revision = request.query.get("since", ".0").partition(".")
        since = int(revision) if epoch == self.epoch else 0
        start = request.query.get("from") or min((r["hour"] for r in rows if r["revision"] > since), default="9")
        before = [row for row in rows if row["hour"] < start]
        later = [row for row in rows if row["hour"] >= start]
        costs: dict[str, float] = {}
        for row in before:
            if row["cost"] is not None:
                costs[row["currency"]] = costs.get(row["currency"], 0) + row["cost"]
        return self._json(
            {
                "vehicle_id": vehicle_id,
                "before": {"energy_kwh": sum(row["energy_kwh"] for row in before), "costs": costs},
                "hours": later[: self.hours_per_page],
                "complete": not before and (since == 0 or bool(later)),
                "next_from": later[self.hours_per_page]["hour"] if len(later) > self.hours_per_page else None,
                "cursor": f"{self.epoch}.{max((row['revision'] for row in rows), default=0)}",
            }
        )

    async def _command(self, request: web.Request) -> web.Response:
        return await self._check_request(request, "command") or self._json(self.commands[request.match_info["id"]])

    async def _patch_account(self, request: web.Request) -> web.Response:
        if refusal := await self._check_request(request, "language"):
            return refusal
        self.account["language"] = self.requests[-1].body["language"]
        return self._json(self.account)

    async def _relink(self, request: web.Request) -> web.Response:
        return await self._check_request(request, "relink") or self._json(self.relink_response)

    async def _refresh(self, request: web.Request) -> web.Response:
        return await self._check_request(request, "refresh") or self._json({"refreshed": True, "again_at": None}, 202)

    async def _endpoint(self, request: web.Request) -> web.Response:
        if refusal := await self._check_request(request, "endpoint"):
            return refusal
        if request.method == "PUT":
            self.endpoint = {"id": "e", "host": "h", "state": "on", "last_failure": None, **self.requests[-1].body}
            return self._json(self.endpoint | {"secret": SECRET})
        if self.endpoint is None:
            return Problem(404, "not-found").response()
        if request.method == "GET":
            return self._json({key: value for key, value in self.endpoint.items() if key != "url"})
        self.endpoint = None
        return web.Response(status=204, headers={"X-EVConduit-Relay": "0.1.0"})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if refusal := await self._check_request(request, "stream"):
            return refusal
        response = web.StreamResponse(headers={"X-EVConduit-Relay": "0.1.0", "Content-Type": "text/event-stream"})
        await response.prepare(request)
        messages: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.streams.append(messages)
        try:
            if self.sent_at_connect:
                await response.write(self.sent_at_connect)
            elif not self.withholds_snapshot:
                first = json.dumps(self.snapshot())
                await response.write(f"event: snapshot\nid: {self.epoch}.{next(self.seq)}\ndata: {first}\n\n".encode())
            while (chunk := await messages.get()) is not None:
                await response.write(chunk)
        except ConnectionResetError:
            pass  # the client disconnected
        finally:
            self.streams.remove(messages)
        return response
