"""Run the relay: the `evconduit` command, its server and a client of its API."""

import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import ClientError

from demo.world.context import DemoContext
from demo.world.errors import ComponentError, UserFixableError
from demo.world.options import get_default_state_folder
from demo.world.orphaned_postgres import stop_orphaned_postgres
from demo.world.ports import HOST
from demo.world.processes import Child, Program, inherit_variables
from demo.world.state_folder import StateFolder, find_running_state

NAME = "relay"
OWNER = "demo@example.com"
EVCONDUIT = str(Path(sys.executable).with_name("evconduit"))
LOGIN_COMMAND = "scripts/demo login"
MAX_COMMAND_LENGTH = 200
START_SECONDS = 120.0
COMMAND_SECONDS = 60.0
type Json = Any


class Relay:
    """The demo's relay."""

    def __init__(self, context: DemoContext) -> None:
        self._context = context
        self.url = context.get_url(NAME)
        self.port = context.ports[NAME]
        self._server: Child | None = None

    async def start(self) -> None:
        """Start the server with its embedded PostgreSQL, and wait until it is ready."""
        self._server = await self._context.supervisor.start(self._build_program("relay", "serve"))
        await self._context.supervisor.wait_until_ready(self._server, self._is_ready, within=START_SECONDS)

    async def _is_ready(self) -> bool:
        try:
            async with self._context.session.get(f"{self.url}/api/health/ready") as response:
                return response.ok
        except ClientError:
            return False

    async def kill(self) -> None:
        """Kill the server. Its PostgreSQL keeps running."""
        if self._server is not None:
            self._context.supervisor.kill(self._server)
            await self._context.supervisor.stop(self._server)
            self._server = None

    async def run_command(self, *arguments: str) -> str:
        """Run an `evconduit` command and return its output, stripped."""
        printed = await self._context.supervisor.run_to_end(
            self._build_program("evconduit", *arguments), within=COMMAND_SECONDS
        )
        return printed.strip()

    async def create_account(self) -> None:
        """Create a user and an API key if they don't exist."""
        state = self._context.state
        if state.saved.user_id is None:
            state.update(user_id=await self.run_command("user", "add", OWNER, "--name", "Demo"))
        if state.saved.key is None:
            key = await self.run_command("key", "create", "--user", str(state.saved.user_id), "--name", "Demo home")
            state.update(key=key)

    async def create_sign_in_link(self) -> str:
        """Create a short-lived single-use link that signs the user in on the relay's pages."""
        return await self.run_command("login", "--user", str(self._context.state.saved.user_id))

    async def create_link_page(self, vendor: str) -> str:
        """Create a single-use link to the relay's page that links a car."""
        return await self.run_command(
            "vehicle", "link", "--user", str(self._context.state.saved.user_id), "--vendor", vendor
        )

    async def list_vehicles(self) -> list[Json]:
        """List the account's vehicle records."""
        vehicles: list[Json] = (await self._get("vehicles"))["vehicles"]
        return vehicles

    async def list_sessions(self, vehicle_id: str) -> list[Json]:
        """List a vehicle's charging sessions, newest first. `vehicle_id` is the relay's or Enode's."""
        sessions: list[Json] = (await self._get(f"vehicles/{vehicle_id}/sessions"))["sessions"]
        return sessions

    async def find_endpoint(self) -> Json:
        """Find the endpoint to which the relay delivers without a stream; None if none is registered."""
        headers = {"Authorization": f"Bearer {self._context.state.saved.key}"}
        async with self._context.session.get(f"{self.url}/api/ha/v2/endpoint", headers=headers) as response:
            return await response.json() if response.ok else None

    async def _get(self, path: str) -> Json:
        headers = {"Authorization": f"Bearer {self._context.state.saved.key}"}
        async with self._context.session.get(f"{self.url}/api/ha/v2/{path}", headers=headers) as response:
            answer = await response.json()
            if not response.ok:
                raise ComponentError(f"the relay answered {response.status} to GET {path}: {answer.get('title')}")
        return answer

    async def stop_database(self) -> bool:
        """Stop a PostgreSQL server that a killed relay left. Returns whether there was one."""
        return await stop_orphaned_postgres(self._context.state.relay)

    def _build_program(self, name: str, *arguments: str) -> Program:
        state = self._context.state
        environment = build_relay_environment(state, self._context.ports)
        return Program(name=name, command=[EVCONDUIT, *arguments], environment=environment, folder=state.path)


def build_relay_environment(state: StateFolder, ports: Mapping[str, int]) -> dict[str, str]:
    """Return the settings of the demo's relay, without the variables that each program inherits."""
    url, simulator = (f"http://{HOST}:{ports[name]}" for name in (NAME, "simulator"))
    return {
        "EVCONDUIT_MODE": "self-hosted",
        "EVCONDUIT_DATA": str(state.relay),
        "EVCONDUIT_HOST": HOST,
        "EVCONDUIT_PORT": str(ports[NAME]),
        "EVCONDUIT_PUBLIC_URL": url,
        "EVCONDUIT_LOGIN_COMMAND": get_login_command(state.path),
        "EVCONDUIT_OUTBOUND_ALLOW": HOST,  # Home Assistant's webhook is on loopback
        "ENODE_CLIENT_ID": state.saved.client_id,
        "ENODE_CLIENT_SECRET": state.saved.client_secret,
        "ENODE_BASE_URL": simulator,
        "ENODE_AUTH_URL": f"{simulator}/oauth2/token",
        "ENODE_WEBHOOK_SECRET": state.saved.webhook_secret,
        "WEBHOOK_URL": f"{url}/api/webhook/enode",
    }


def get_login_command(folder: Path) -> str:
    """Return the command that prints a new sign-in link of the demo in this state folder."""
    if folder == get_default_state_folder().resolve():
        return LOGIN_COMMAND
    command = f"{LOGIN_COMMAND} --state {shlex.quote(str(folder))}"
    # The relay accepts 200 printable ASCII characters.
    return (
        command if command.isascii() and command.isprintable() and len(command) <= MAX_COMMAND_LENGTH else LOGIN_COMMAND
    )


def create_sign_in_link(folder: Path) -> tuple[str, str]:
    """Return a new sign-in link of the demo that runs in this state folder, and how long it works.

    Raises UserFixableError if no demo runs there.
    """
    state = find_running_state(folder)
    if state is None or state.saved.user_id is None:
        raise UserFixableError(f"no demo runs in {folder}: start one with scripts/demo, or choose its --state")
    environment = build_relay_environment(state, state.saved.ports) | inherit_variables()
    result = subprocess.run(  # noqa: S603 - our own program
        [EVCONDUIT, "login", "--user", state.saved.user_id],
        env=environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    if result.returncode != 0:
        raise UserFixableError(f"the relay printed no link: {result.stderr.strip() or result.returncode}")
    return result.stdout.strip(), result.stderr.strip()
