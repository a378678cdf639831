"""A relay in processes of its own, with a user, as users run it."""

import json
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

import httpx
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from relay.kit.embedded_postgres import EmbeddedPostgres
from tests.e2e.processes import BIN, TIMEOUT_SECONDS, create_environment, find_free_port, run_evconduit, wait_until
from tests.e2e.simulated_enode import SimulatedEnode


def create_user(environment: dict[str, str]) -> tuple[str, str]:
    """Create a user with an API key, and return both."""
    user = run_evconduit(environment, "user", "add", "driver@example.org")
    return user, run_evconduit(environment, "key", "create", "--user", user)


class TemplateDatabase:
    """A migrated database with one user and one API key, to be copied for relays."""

    def __init__(self, conninfo: str, folder: Path) -> None:
        self._server = conninfo
        self._copies = 0
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("alter system set fsync = off")  # the folder is temporary
            connection.execute("select pg_reload_conf()")
            connection.execute("create database template")
        environment = create_environment(folder) | {"DATABASE_URL": make_conninfo(conninfo, dbname="template")}
        run_evconduit(environment, "migrate")
        self.user, self.key = create_user(environment)

    def copy(self) -> str:
        """Copy the database and return the owner's connection string of the copy."""
        self._copies += 1
        name = f"relay_{self._copies}"
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {} template template").format(sql.Identifier(name)))
        return make_conninfo(self._server, dbname=name)


class Relay:
    """A relay with one user and one API key: with a database of its own, or with a copy of the one of `template`."""

    def __init__(self, folder: Path, enode_url: str, *, webhook: bool, template: TemplateDatabase | None) -> None:
        self.port = find_free_port()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10)
        self.log = folder / "relay.log"
        self.environment = create_environment(folder) | {
            "EVCONDUIT_PORT": str(self.port),
            "ENODE_CLIENT_ID": "client",
            "ENODE_CLIENT_SECRET": "client-secret",
            "ENODE_BASE_URL": enode_url,
            "ENODE_AUTH_URL": f"{enode_url}/oauth2/token",
            "ENODE_WEBHOOK_SECRET": secrets.token_hex(32),
        }
        if webhook:
            self.environment["WEBHOOK_URL"] = f"http://127.0.0.1:{self.port}/api/webhook/enode"
        if template is None:
            run_evconduit(self.environment, "init")
            # With a lease, the server isn't started and stopped for each command.
            with EmbeddedPostgres(Path(self.environment["EVCONDUIT_DATA"]) / "postgres").lease():
                self.user, self.key = create_user(self.environment)
        else:
            self.environment["DATABASE_URL"] = template.copy()
            self.user, self.key = template.user, template.key
        self.http.headers["Authorization"] = f"Bearer {self.key}"

    @cached_property
    def database_url(self) -> str:
        """The owner's connection string."""
        return self.environment.get("DATABASE_URL") or self.run("database", "url", "--owner")

    def run(self, *arguments: str) -> str:
        """Run an `evconduit` command and return its output."""
        return run_evconduit(self.environment, *arguments)

    def start_process(self, *command: str, **environment: str) -> subprocess.Popen:
        """Start another process of this relay, which logs to the same file."""
        with self.log.open("ab") as log:
            return subprocess.Popen([str(BIN / "evconduit"), *command], env=self.environment | environment, stderr=log)

    def start(self, *options: str) -> None:
        self.process = self.start_process("serve", *options)
        wait_until(lambda: self.http.get("/api/health/ready").status_code == 200)

    def stop(self, signal_number: int = signal.SIGTERM) -> None:
        self.process.send_signal(signal_number)
        self.process.wait(20)

    def list_vehicles(self) -> list[dict]:
        return self.http.get("/api/ha/v2/vehicles").json()["vehicles"]

    def stream_messages(self, last_event_id: str | None = None) -> Iterator[tuple[str, str, dict]]:
        """Yield messages as (event, id, data) until the stream ends."""
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        with self.http.stream("GET", "/api/ha/v2/stream", headers=headers, timeout=TIMEOUT_SECONDS) as response:
            assert response.status_code == 200
            message: dict[str, str] = {}
            for line in response.iter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    message[name] = message.get(name, "") + value
                elif message.get("event"):
                    yield message["event"], message.get("id", ""), json.loads(message["data"])
                    message = {}


@contextmanager
def run_relays(folder: Path, enode_url: str, template: TemplateDatabase | None):
    """A function that starts a relay with options of `serve`. It is stopped at the end of the context."""
    with ExitStack() as stack:

        def start(*options: str, webhook: bool = True) -> Relay:
            relay = Relay(folder, enode_url, webhook=webhook, template=template)
            stack.callback(relay.http.close)
            relay.start(*options)
            stack.callback(relay.stop)
            return relay

        yield start


def find_message(relay: Relay, predicate, *, last_event_id: str | None = None) -> tuple[str, str, dict]:
    """Return the first message of the stream for which `predicate(event, id, data)` is true."""
    return next(message for message in relay.stream_messages(last_event_id) if predicate(*message))


def link_vehicle(relay: Relay, enode: SimulatedEnode) -> tuple[str, str]:
    """Link a vehicle with all capabilities on Enode's page and wait until the relay lists it: (our id, Enode's id)."""
    redirect = enode.link(relay.run("vehicle", "link", "--user", relay.user), "TESLA")
    assert redirect.startswith(f"http://127.0.0.1:{relay.port}/link-callback?link=")
    record = wait_until(
        lambda: next((record for record in relay.list_vehicles() if record["vehicle"].get("chargeState")), None)
    )
    return record["id"], record["vehicle"]["id"]
