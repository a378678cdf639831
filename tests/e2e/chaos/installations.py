"""Home Assistants as the relay sees them: one that listens to the stream, one that is POSTed to. Both keep their rules.

What breaks a promise of semantics.md is written into `broken`, in words, while it happens.
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

AWAY = {502, 503, 504}
"""What a relay may answer while its database or itself is down."""


class Installation:
    """What one Home Assistant knows: applies messages by the rules that the contract gives to clients."""

    def __init__(self, name: str, key: str) -> None:
        self.name, self.key = name, key
        self.vehicles: dict[str, dict] = {}
        self.transitions: list[tuple[str, str]] = []
        self.cursor: str | None = None
        self.gaps = 0
        self.broken: list[str] = []
        self._ids: set[str] = set()

    def apply(self, event: str, at: str, data: dict) -> None:
        """One message, however often it comes."""
        if event == "snapshot":
            self.gaps += bool(data.get("gap"))
            self.vehicles = {it["id"]: it for it in data["vehicles"]}
        elif event == "vehicle":
            known = self.vehicles.get(data["id"])
            if known is None or known["revision"] < data["revision"]:
                self.vehicles[data["id"]] = data
        elif event == "vehicle_removed":
            self.vehicles.pop(data["id"], None)
        elif event == "transition" and not self.has_passed(at):
            if at in self._ids:
                self.broken.append(f"the transition {at} was told twice")
            self._ids.add(at)
            self.transitions.append((data["vehicle_id"], data["type"]))
        if at and not self.has_passed(at):
            self.cursor = at

    def has_passed(self, at: str) -> bool:
        """Whether this place of the feed is at the cursor or before it."""
        epoch, seq = place(at)
        known, reached = place(self.cursor or ".0")
        return epoch == known and seq <= reached

    def kinds_of(self, vehicle_id: str) -> list[str]:
        return [kind for vehicle, kind in self.transitions if vehicle == vehicle_id]


def place(at: str) -> tuple[str, int]:
    epoch, _, seq = at.rpartition(".")
    return epoch, int(seq)


class Listener(Installation):
    """Keeps a stream open at one of several addresses, wherever it can, and at times leaves by itself."""

    def __init__(self, name: str, key: str, urls: list[str], chance: random.Random) -> None:
        super().__init__(name, key)
        self._urls, self._random = urls, chance
        self.connections = 0
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._leaving.set()

    def _listen(self) -> None:
        with httpx.Client(
            headers={"Authorization": f"Bearer {self.key}"}, timeout=httpx.Timeout(20, connect=2)
        ) as http:
            while not self._leaving.is_set():
                with suppress(httpx.TransportError):  # the process died, or is not there yet
                    self._connect(http)
                self._leaving.wait(self._random.uniform(0.02, 0.2))

    def _connect(self, http: httpx.Client) -> None:
        headers = {"Last-Event-ID": self.cursor} if self.cursor else {}
        url = self._random.choice(self._urls) + "/api/ha/v2/stream"
        with http.stream("GET", url, headers=headers) as answer:
            if answer.status_code != 200:
                if answer.status_code not in AWAY:
                    self.broken.append(f"the stream was answered {answer.status_code}: {answer.read()[:200]!r}")
                return
            self.connections += 1
            self._read(answer, stay=self._random.choice([5, 20, 60, 10_000]))

    def _read(self, answer: httpx.Response, *, stay: int) -> None:
        """Take messages until the stream ends or enough of them came."""
        told: dict[str, int] = {}
        message: dict[str, str] = {}
        for line in answer.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                message[name] = value
            elif message.get("event"):
                self._take(message, told)
                message, stay = {}, stay - 1
                if self._leaving.is_set() or not stay:
                    return

    def _take(self, message: dict[str, str], told: dict[str, int]) -> None:
        event, at, data = message["event"], message.get("id", ""), json.loads(message["data"])
        if (event == "snapshot") == bool(told):
            self.broken.append(f"{event} came where a snapshot comes first, and only first")
        if event == "snapshot":
            told.update({"": 0}, **{it["id"]: it["revision"] for it in data["vehicles"]})
        elif event == "vehicle":
            if data["revision"] <= told.get(data["id"], 0):
                self.broken.append(f"revision {data['revision']} came after {told[data['id']]}")
            told[data["id"]] = data["revision"]
        elif event == "transition" and self.has_passed(at):
            self.broken.append(f"the stream told {at} when the cursor was {self.cursor}")
        self.apply(event, at, data)


class Hook(Installation):
    """Takes the relay's POSTs at a secret path: verifies, applies, acknowledges; in a bad hour it does not."""

    def __init__(self, name: str, key: str, path: str) -> None:
        super().__init__(name, key)
        self.path, self.secret = path, b""
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def take(self, headers: dict[str, str], body: bytes, mood: str) -> tuple[int, dict]:
        """Status and answer to one POST."""
        name, stamp = headers["webhook-id"], headers["webhook-timestamp"]
        digest = hmac.digest(self.secret, f"{name}.{stamp}.".encode() + body, hashlib.sha256)
        if f"v1,{base64.b64encode(digest).decode()}" not in headers["webhook-signature"].split():
            self.broken.append("a POST was signed with another secret")
            return 401, {}
        if abs(time.time() - int(stamp)) > 300:
            self.broken.append("a POST was signed in the past")
        if mood == "refuse":
            return 500, {}
        if mood == "ignore":
            return 200, {}  # as Home Assistant does for a webhook that nobody handles
        with self._lock:
            if name not in self._seen:
                self._seen.add(name)
                for it in json.loads(body)["messages"]:
                    self.apply(it["event"], it["id"], it["data"])
        return (500, {}) if mood == "forget" else (200, {"ack": name})


class Homes:
    """A server on loopback for all hooks. `moods` are drawn for each POST; with none of them all is well."""

    def __init__(self, chance: random.Random) -> None:
        self.hooks: dict[str, Hook] = {}
        self.moods: list[str] = []
        self.played: dict[str, int] = {}
        self._random = chance
        homes = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                mood = homes._random.choice(homes.moods) if homes.moods else "well"
                homes.played[mood] = homes.played.get(mood, 0) + 1
                if mood == "stall":
                    time.sleep(3)
                    mood = "refuse"
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, answer = homes.hooks[self.path].take(headers, body, mood)
                said = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # a relay that was killed in mid-POST
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Account:
    """A user with a Home Assistant that listens and another one that is POSTed to. `secrets` must reach no log."""

    user: str
    listener: Listener
    hook: Hook
    secrets: list[str]
