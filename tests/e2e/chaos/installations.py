"""Simulated Home Assistants: one reads the stream, one receives webhooks. Both follow the client's rules.

Each violation of semantics.md by the relay is appended to `violations` when it happens.
"""

import base64
import hashlib
import hmac
import json
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

OUTAGE_STATUSES = {502, 503, 504}
"""Allowed responses while the relay or its database is down."""


class Installation:
    """The state of one Home Assistant, which applies messages by the client's rules."""

    def __init__(self, name: str, key: str) -> None:
        self.name, self.key = name, key
        self.vehicles: dict[str, dict] = {}
        self.transitions: list[tuple[str, str]] = []
        self.cursor: str | None = None
        self.gaps = 0
        self.violations: list[str] = []
        self._transition_ids: set[str] = set()

    def apply(self, event: str, message_id: str, data: dict) -> None:
        """Apply one message; applying it again changes nothing."""
        if event == "snapshot":
            self.gaps += bool(data.get("gap"))
            self.vehicles = {record["id"]: record for record in data["vehicles"]}
        elif event == "vehicle":
            current = self.vehicles.get(data["id"])
            if current is None or current["revision"] < data["revision"]:
                self.vehicles[data["id"]] = data
        elif event == "vehicle_removed":
            self.vehicles.pop(data["id"], None)
        elif event == "transition" and not self.is_at_or_before_cursor(message_id):
            if message_id in self._transition_ids:
                self.violations.append(f"the transition {message_id} was sent twice")
            self._transition_ids.add(message_id)
            self.transitions.append((data["vehicle_id"], data["type"]))
        if message_id and not self.is_at_or_before_cursor(message_id):
            self.cursor = message_id

    def is_at_or_before_cursor(self, message_id: str) -> bool:
        epoch, sequence = parse_message_id(message_id)
        cursor_epoch, cursor_sequence = parse_message_id(self.cursor or ".0")
        return epoch == cursor_epoch and sequence <= cursor_sequence

    def list_transition_types(self, vehicle_id: str) -> list[str]:
        return [kind for vehicle, kind in self.transitions if vehicle == vehicle_id]


def parse_message_id(message_id: str) -> tuple[str, int]:
    epoch, _, sequence = message_id.rpartition(".")
    return epoch, int(sequence)


class StreamInstallation(Installation):
    """Keeps a stream open at one of several URLs, reconnects on errors, and disconnects at random."""

    def __init__(self, name: str, key: str, urls: list[str], generator: random.Random) -> None:
        super().__init__(name, key)
        self._urls, self._random = urls, generator
        self.connections = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()

    def _run(self) -> None:
        with httpx.Client(
            headers={"Authorization": f"Bearer {self.key}"}, timeout=httpx.Timeout(20, connect=2)
        ) as http:
            while not self._closing.is_set():
                with suppress(httpx.TransportError):  # the process was killed, or has not started yet
                    self._connect(http)
                self._closing.wait(self._random.uniform(0.02, 0.2))

    def _connect(self, http: httpx.Client) -> None:
        headers = {"Last-Event-ID": self.cursor} if self.cursor else {}
        url = self._random.choice(self._urls) + "/api/ha/v2/stream"
        with http.stream("GET", url, headers=headers) as response:
            if response.status_code != 200:
                if response.status_code not in OUTAGE_STATUSES:
                    self.violations.append(f"the stream returned {response.status_code}: {response.read()[:200]!r}")
                return
            self.connections += 1
            self._read(response, max_messages=self._random.choice([5, 20, 60, 10_000]))

    def _read(self, response: httpx.Response, *, max_messages: int) -> None:
        """Read messages until the stream ends or `max_messages` have arrived."""
        revisions: dict[str, int] = {}
        message: dict[str, str] = {}
        for line in response.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                message[name] = value
            elif message.get("event"):
                self._receive(message, revisions)
                message, max_messages = {}, max_messages - 1
                if self._closing.is_set() or not max_messages:
                    return

    def _receive(self, message: dict[str, str], revisions: dict[str, int]) -> None:
        """Check and apply one message. `revisions` is empty until the snapshot that starts each connection."""
        event, message_id, data = message["event"], message.get("id", ""), json.loads(message["data"])
        if (event == "snapshot") == bool(revisions):
            self.violations.append(f"{event} was sent, but a connection must start with its only snapshot")
        if event == "snapshot":
            revisions.update({"": 0}, **{record["id"]: record["revision"] for record in data["vehicles"]})
        elif event == "vehicle":
            if data["revision"] <= revisions.get(data["id"], 0):
                self.violations.append(f"revision {data['revision']} was sent after {revisions[data['id']]}")
            revisions[data["id"]] = data["revision"]
        elif event == "transition" and self.is_at_or_before_cursor(message_id):
            self.violations.append(f"the stream sent {message_id} when the cursor was {self.cursor}")
        self.apply(event, message_id, data)


class WebhookInstallation(Installation):
    """Receives the relay's POSTs at a secret path, and verifies, applies and acknowledges them unless told to fail."""

    def __init__(self, name: str, key: str, path: str) -> None:
        super().__init__(name, key)
        self.path, self.secret = path, b""
        self._message_ids: set[str] = set()
        self._lock = threading.Lock()

    def receive(self, headers: dict[str, str], body: bytes, behavior: str) -> tuple[int, dict]:
        """Return status and body of the response to one POST. See WebhookServer for `behavior`."""
        message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
        digest = hmac.digest(self.secret, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
        if f"v1,{base64.b64encode(digest).decode()}" not in headers["webhook-signature"].split():
            self.violations.append("a POST was signed with another secret")
            return 401, {}
        if abs(time.time() - int(timestamp)) > 300:
            self.violations.append("a POST had a timestamp more than 300 s off")
        if behavior == "fail":
            return 500, {}
        if behavior == "ignore":
            return 200, {}  # as Home Assistant responds for an unknown webhook
        with self._lock:
            if message_id not in self._message_ids:
                self._message_ids.add(message_id)
                for message in json.loads(body)["messages"]:
                    self.apply(message["event"], message["id"], message["data"])
        return (500, {}) if behavior == "fail after applying" else (200, {"ack": message_id})


class WebhookServer:
    """A loopback server for all webhook installations. A behavior is drawn from `behaviors` for each POST.

    Behaviors: `acknowledge` (always, if there are none), `fail`, `ignore`, `fail after applying`, `stall`.
    """

    def __init__(self, generator: random.Random) -> None:
        self.installations: dict[str, WebhookInstallation] = {}
        self.behaviors: list[str] = []
        self.counts: dict[str, int] = {}
        self._random = generator
        webhook_server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request_body = self.rfile.read(int(self.headers["content-length"]))
                behaviors = webhook_server.behaviors
                behavior = webhook_server._random.choice(behaviors) if behaviors else "acknowledge"
                webhook_server.counts[behavior] = webhook_server.counts.get(behavior, 0) + 1
                if behavior == "stall":
                    time.sleep(3)
                    behavior = "fail"
                headers = {name.lower(): value for name, value in self.headers.items()}
                installation = webhook_server.installations[self.path]
                status, document = installation.receive(headers, request_body, behavior)
                response_body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(response_body)))
                self.end_headers()
                self.wfile.write(response_body)

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # the relay may be killed during a POST
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Account:
    """A user with a Home Assistant that reads the stream and one with an endpoint. `secrets` must not reach a log."""

    user: str
    stream: StreamInstallation
    webhook: WebhookInstallation
    secrets: list[str]

    @property
    def installations(self) -> tuple[Installation, Installation]:
        return self.stream, self.webhook
