"""A simulated Home Assistant that reads the relay's stream."""

import json
import random
import threading
from contextlib import suppress
from typing import Any

import httpx

from tests.e2e.chaos.installations import Installation, is_at_or_before
from tests.e2e.processes import wait_until

OUTAGE_STATUSES = {502, 503, 504}
"""Allowed responses while the relay or its database is down."""


class StreamInstallation(Installation):
    """Keeps a stream open at one of several URLs, reconnects on errors, and disconnects at random."""

    def __init__(self, name: str, key: str, urls: list[str], generator: random.Random, **options: Any) -> None:
        super().__init__(name, key, **options)
        self._urls, self._random = urls, generator
        self.connections = 0
        self.is_streaming = False
        self._closing, self._pausing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()

    def pause(self) -> None:
        """End the stream at the next message, and don't open another one until `resume`."""
        self._pausing.set()
        wait_until(lambda: not self.is_streaming, missing=f"the end of the stream of {self.name}, which waits for news")

    def resume(self) -> None:
        self._pausing.clear()

    def _run(self) -> None:
        with httpx.Client(
            headers={"Authorization": f"Bearer {self.key}"}, timeout=httpx.Timeout(20, connect=2)
        ) as http:
            while not self._closing.is_set():
                if not self._pausing.is_set():
                    with suppress(httpx.TransportError):  # the process was killed, or has not started yet
                        self._connect(http)
                    self.is_streaming = False
                self._closing.wait(self._random.uniform(0.02, 0.2))

    def _connect(self, http: httpx.Client) -> None:
        cursor = self.cursor  # a POST may move it on meanwhile, if this installation has an endpoint too
        headers = {"Last-Event-ID": cursor} if cursor else {}
        url = self._random.choice(self._urls) + "/api/ha/v2/stream"
        with http.stream("GET", url, headers=headers) as response:
            if response.status_code != 200:
                if response.status_code not in OUTAGE_STATUSES:
                    self.violations.append(f"the stream returned {response.status_code}: {response.read()[:200]!r}")
                return
            self.connections += 1
            self.is_streaming = True
            self._read(response, cursor, max_messages=self._random.choice([5, 20, 60, 10_000]))

    def _read(self, response: httpx.Response, cursor: str | None, *, max_messages: int) -> None:
        """Read messages until the stream ends or `max_messages` have arrived. `cursor` is where the stream resumes."""
        revisions: dict[str, int] = {}
        message: dict[str, str] = {}
        for line in response.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                message[name] = message.get(name, "") + value
            elif message.get("event"):
                cursor = self._receive(message, revisions, cursor)
                message, max_messages = {}, max_messages - 1
                if self._closing.is_set() or self._pausing.is_set() or not max_messages:
                    return

    def _receive(self, message: dict[str, str], revisions: dict[str, int], cursor: str | None) -> str | None:
        """Check and apply one message, and return the new position of the connection.

        `revisions` is empty until the snapshot that starts each connection.
        """
        event, message_id, data = message["event"], message.get("id", ""), json.loads(message["data"])
        if (event == "snapshot") == bool(revisions):
            self.violations.append(f"{event} was sent, but a connection must start with its only snapshot")
        if event == "snapshot":
            revisions.update({"": 0}, **{record["id"]: record["revision"] for record in data["vehicles"]})
        elif event == "vehicle":
            if data["revision"] <= revisions.get(data["id"], 0):
                self.violations.append(f"revision {data['revision']} was sent after {revisions[data['id']]}")
            revisions[data["id"]] = data["revision"]
        elif event == "transition" and is_at_or_before(message_id, cursor):
            self.violations.append(f"the stream sent {message_id} when its position was {cursor}")
        self.apply(event, message_id, data, is_requested=True)
        return message_id if message_id and not is_at_or_before(message_id, cursor) else cursor
