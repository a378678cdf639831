"""A simulator in a thread of the test process, and a client that validates every response against Enode's document."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

from demo.enode.engine import Settings
from demo.enode.server import create_server, open_listener
from demo.enode.world import World
from tests.demo.enode.openapi_validator import load_validator
from tests.demo.enode.webhook_receiver import WebhookReceiver

ALL_SCOPES = ["vehicle:read:data", "vehicle:read:location", "vehicle:control:charging"]
_client_numbers = itertools.count(1)


def make_settings(**others: Any) -> Settings:
    """Create settings with a unique client: Enode's SDK caches tokens by client for the whole process."""
    return Settings(
        client_id=f"client-{next(_client_numbers)}", client_secret="secret/with:signs", **{"speed": 0.0, **others}
    )


@contextmanager
def run_signed_in_simulator(settings: Settings | None = None) -> Iterator[RunningSimulator]:
    """Run a simulator whose client has a token, until the context ends."""
    simulator = RunningSimulator(settings or make_settings())
    try:
        simulator.sign_in()
        yield simulator
    finally:
        simulator.close()


class RunningSimulator:
    """A simulator at `url`. Time is stopped unless `settings` set a speed."""

    def __init__(self, settings: Settings, world: World | None = None) -> None:
        """Start the simulator and wait until it answers."""
        self.settings = settings
        self._listener = open_listener("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._server = create_server(settings, world or World(seed=settings.seed))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.http = httpx.Client(base_url=self.url, trust_env=False, event_hooks={"response": [_validate_answer]})
        while self.http.get("/health/ready").status_code != 204:
            pass

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listener]))

    def relay_settings(self) -> dict[str, Any]:
        """Return a relay's settings for this simulator."""
        return {
            "enode_client_id": self.settings.client_id,
            "enode_client_secret": self.settings.client_secret,
            "enode_base_url": self.url,
            "enode_auth_url": f"{self.url}/oauth2/token",
        }

    def close(self) -> None:
        """Stop the simulator, which saves its state."""
        self.http.close()
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    def sign_in(self) -> None:
        """Get a token for the client."""
        token = self.request_token(self.settings.client_id, self.settings.client_secret).json()["access_token"]
        self.http.headers["authorization"] = f"Bearer {token}"

    def request_token(self, client_id: str, secret: str, **form: str) -> httpx.Response:
        """Request a token and return the response."""
        data = {"grant_type": "client_credentials", **form}
        return self.http.post("/oauth2/token", auth=(client_id, secret), data=data)

    def json(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """Send a request, expect this status, and return the JSON."""
        answer = self.http.request(method, path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def create_link_page(self, user: str = "u1", **others: Any) -> str:
        """Create a link session and return the path of its page."""
        body = {"scopes": ALL_SCOPES, "language": "en-US", "redirectUri": "https://app.example/done?state=7", **others}
        return urlsplit(self.json("POST", f"/users/{user}/link", body)["linkUrl"]).path

    def complete_link(self, vendor: str, *cars: str, user: str = "u1", **others: Any) -> str:
        """Complete the link page and return the final redirect's address."""
        page = self.create_link_page(user, **others)
        self.http.post(page, data={"step": "brand", "vendor": vendor})
        self.http.post(page, data={"step": "consent"})
        answer = self.http.post(page, data={"step": "sign_in", "car": list(cars)})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def link_car(self, model: str = "tesla-model-3", user: str = "u1", **others: Any) -> str:
        """Link a car, wait for its first poll, and return its id."""
        linked_before = {row["vehicle"]["id"] for row in self.json("GET", "/_sim/vehicles")}
        self.complete_link(model.partition("-")[0].upper(), model, user=user, **others)
        self.advance_time(10)
        return next(
            row["vehicle"]["id"]
            for row in self.json("GET", "/_sim/vehicles")
            if row["vehicle"]["id"] not in linked_before
        )

    def change_car(self, vehicle_id: str, **changes: Any) -> dict[str, Any]:
        """Change a car and return it."""
        return self.json("POST", f"/_sim/vehicles/{vehicle_id}", changes)

    def advance_time(self, seconds: float) -> None:
        """Advance simulated time."""
        self.json("POST", "/_sim/clock", {"advance": seconds})

    def collect_events(self, receiver: WebhookReceiver, name: str) -> list[dict[str, Any]]:
        """Return all events of this name so far. Deliveries are in order, so a heartbeat marks the end."""
        beats = len(receiver.list_events("system:heartbeat"))
        self.json("POST", "/_sim/heartbeat", status=204)
        receiver.wait_for_events("system:heartbeat", beats + 1)
        return receiver.list_events(name)

    def get_vehicle(self, vehicle_id: str) -> dict[str, Any]:
        """Return Enode's vehicle object."""
        return self.json("GET", f"/vehicles/{vehicle_id}")

    def send_command(self, vehicle_id: str, action: str, *, status: int = 200) -> dict[str, Any]:
        """Send START or STOP."""
        return self.json("POST", f"/vehicles/{vehicle_id}/charging", {"action": action}, status=status)

    def create_subscription(self, url: str, **others: Any) -> dict[str, Any]:
        """Create a webhook subscription."""
        return self.json("POST", "/webhooks", {"url": url, "secret": "a secret of mine", **others})


def _validate_answer(response: httpx.Response) -> None:
    validator = load_validator()
    if validator is None:
        return
    response.read()
    request = response.request
    faults = validator.find_answer_faults(request.method, request.url.path, response.status_code, response.content)
    assert not faults, (request.method, request.url.path, response.status_code, faults)
