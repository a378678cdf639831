"""Simulated Home Assistants that receive the relay's POSTs, and the server that they share."""

import base64
import hashlib
import hmac
import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.e2e.chaos.installations import Installation
from tests.e2e.chaos.stream_installation import StreamInstallation

MAX_TIMESTAMP_ERROR_SECONDS = 300
"""Standard Webhooks: a receiver refuses an older or newer timestamp."""


class WebhookInstallation(Installation):
    """Receives the relay's POSTs at a secret path, and verifies, applies and acknowledges them unless told to fail."""

    def __init__(self, name: str, key: str, *, path: str) -> None:
        super().__init__(name, key)
        self.path, self.secret = path, b""
        self.acknowledged = 0
        self.clock_error = 0.0
        self._message_ids: set[str] = set()

    def receive(self, headers: dict[str, str], body: bytes, behavior: str) -> tuple[int, dict[str, str]]:
        """Return status and body of the response to one POST. See WebhookServer for `behavior`."""
        message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
        digest = hmac.digest(self.secret, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
        if f"v1,{base64.b64encode(digest).decode()}" not in headers["webhook-signature"].split():
            self.violations.append("a POST was signed with another secret")
            return 401, {}
        if abs(time.time() - int(timestamp)) > MAX_TIMESTAMP_ERROR_SECONDS + self.clock_error:
            self.violations.append(f"a POST had a timestamp more than {MAX_TIMESTAMP_ERROR_SECONDS} s off")
        if behavior == "fail":
            return 500, {}
        if behavior == "ignore":
            return 200, {}  # as Home Assistant responds for an unknown webhook
        with self._lock:
            messages = json.loads(body)["messages"]
            if not self.can_acknowledge(messages):
                return 503, {}
            if message_id not in self._message_ids:
                self._message_ids.add(message_id)
                for message in messages:
                    self.apply(message["event"], message["id"], message["data"])
            self.acknowledged += behavior != "fail after applying"
        return (500, {}) if behavior == "fail after applying" else (200, {"ack": message_id})

    def can_acknowledge(self, _messages: list[dict[str, Any]]) -> bool:
        return True


class SharedKeyInstallation(StreamInstallation, WebhookInstallation):
    """Has a stream and an endpoint with the same key, as a Home Assistant does. They take turns (decision 11)."""

    def can_acknowledge(self, messages: list[dict[str, Any]]) -> bool:
        """While the stream is up, only what it has delivered is acknowledged (decision 15)."""
        return not self.is_streaming or all(self.is_at_or_before_cursor(message["id"]) for message in messages)


class WebhookServer:
    """A loopback server for all webhook installations. A behavior is drawn from `behaviors` for each POST.

    Behaviors: `acknowledge` (always, if there are none, and for installations with a stream), `fail`, `ignore`,
    `fail after applying`, `stall`.
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
                installation = webhook_server.installations[self.path]
                behavior = webhook_server.choose_behavior(installation)
                if behavior == "stall":
                    time.sleep(3)
                    behavior = "fail"
                headers = {name.lower(): value for name, value in self.headers.items()}
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

    def choose_behavior(self, installation: WebhookInstallation) -> str:
        behaviors = [] if isinstance(installation, SharedKeyInstallation) else self.behaviors
        behavior = self._random.choice(behaviors) if behaviors else "acknowledge"
        self.counts[behavior] = self.counts.get(behavior, 0) + 1
        return behavior

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
