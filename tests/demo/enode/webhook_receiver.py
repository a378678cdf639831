"""A place that webhooks are delivered to: it remembers what came, and answers as told."""

import json
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedDelivery:
    """One delivery attempt as it came over the wire."""

    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was told."""
        return json.loads(self.body)


class WebhookReceiver:
    """An HTTP server on loopback for deliveries. `answers` are statuses for the next attempts, 204 after that."""

    def __init__(self) -> None:
        """Listen on a free port."""
        self.statuses: deque[int] = deque()
        self.withhold_answers = threading.Event()
        """While set, deliveries are read and not answered."""
        self.deliveries: list[ReceivedDelivery] = []
        self._condition = threading.Condition()
        self._closing = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = receiver._record(ReceivedDelivery(headers=headers, body=body))
                if receiver.withhold_answers.is_set():
                    self.close_connection = True
                    receiver._closing.wait()
                    return
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def _record(self, arrival: ReceivedDelivery) -> int:
        with self._condition:
            self.deliveries.append(arrival)
            self._condition.notify_all()
            return self.statuses.popleft() if self.statuses else 204

    def wait_for_deliveries(self, attempts: int, seconds: float = 10.0) -> list[ReceivedDelivery]:
        """All attempts so far, once there are so many."""
        with self._condition:
            if not self._condition.wait_for(lambda: len(self.deliveries) >= attempts, seconds):
                raise AssertionError(f"{len(self.deliveries)} of {attempts} delivery attempts came")
            return list(self.deliveries)

    def wait_for_events(self, name: str, count: int = 1, seconds: float = 10.0) -> list[dict[str, Any]]:
        """The events of this name, once there are so many."""
        with self._condition:
            if not self._condition.wait_for(lambda: len(self.list_events(name)) >= count, seconds):
                raise AssertionError(f"{len(self.list_events(name))} of {count} {name} came")
            return self.list_events(name)

    def list_events(self, name: str) -> list[dict[str, Any]]:
        """The events of this name that came, repeats by retries included."""
        return [event for it in self.deliveries for event in it.events if event["event"] == name]

    def close(self) -> None:
        """Stop listening."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
