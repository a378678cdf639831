"""An HTTP server that records webhook deliveries and answers with chosen statuses."""

import json
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedDelivery:
    """A received delivery attempt."""

    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        """The delivered events."""
        return json.loads(self.body)


class WebhookReceiver:
    """An HTTP server on loopback. `statuses` are the answers to the next attempts, followed by 204."""

    def __init__(self) -> None:
        """Listen on a free port."""
        self.statuses: deque[int] = deque()
        self.withhold_answers = threading.Event()
        """While set, deliveries are read but not answered."""
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

    def _record(self, delivery: ReceivedDelivery) -> int:
        with self._condition:
            self.deliveries.append(delivery)
            self._condition.notify_all()
            return self.statuses.popleft() if self.statuses else 204

    def wait_for_deliveries(self, attempts: int, seconds: float = 60.0) -> list[ReceivedDelivery]:
        """Wait for this many attempts, and return all of them."""
        with self._condition:
            if not self._condition.wait_for(lambda: len(self.deliveries) >= attempts, seconds):
                raise AssertionError(f"{len(self.deliveries)} of {attempts} delivery attempts received")
            return list(self.deliveries)

    def wait_for_events(self, name: str, count: int = 1, seconds: float = 60.0) -> list[dict[str, Any]]:
        """Wait for this many events of this name, and return them."""
        with self._condition:
            if not self._condition.wait_for(lambda: len(self.list_events(name)) >= count, seconds):
                raise AssertionError(f"{len(self.list_events(name))} of {count} {name} received")
            return self.list_events(name)

    def list_events(self, name: str) -> list[dict[str, Any]]:
        """List the received events of this name, including repeats by retries."""
        return [event for delivery in self.deliveries for event in delivery.events if event["event"] == name]

    def close(self) -> None:
        """Stop listening."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
