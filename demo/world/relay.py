"""The relay: the `evconduit` command, its server, and its API as a client of it sees it."""

import sys
from pathlib import Path
from typing import Any

from aiohttp import ClientError

from demo.world.context import DemoContext
from demo.world.errors import ComponentError
from demo.world.orphaned_postgres import stop_orphaned_postgres
from demo.world.ports import HOST
from demo.world.processes import Child, Program

NAME = "relay"
OWNER = "demo@example.com"
START_SECONDS = 120.0
COMMAND_SECONDS = 60.0
type Json = Any


class Relay:
    """The demo's relay, as an operator runs it."""

    def __init__(self, ground: DemoContext) -> None:
        self._ground = ground
        self.url = ground.get_url(NAME)
        self.port = ground.ports[NAME]
        self._server: Child | None = None

    async def start(self) -> None:
        """Start the server, its embedded PostgreSQL with it, and wait until it is ready."""
        self._server = await self._ground.supervisor.start(self._build_program("relay", "serve"))
        await self._ground.supervisor.wait_until_ready(self._server, self._is_ready, within=START_SECONDS)

    async def _is_ready(self) -> bool:
        try:
            async with self._ground.session.get(f"{self.url}/api/health/ready") as response:
                return response.ok
        except ClientError:
            return False

    async def kill(self) -> None:
        """End the server as a power cut would. Its PostgreSQL lives on."""
        if self._server is not None:
            self._ground.supervisor.kill(self._server)
            await self._ground.supervisor.stop(self._server)
            self._server = None

    async def run_command(self, *arguments: str) -> str:
        """Run an `evconduit` command and give the one line it prints."""
        printed = await self._ground.supervisor.run_to_end(
            self._build_program("evconduit", *arguments), within=COMMAND_SECONDS
        )
        return printed.strip()

    async def create_account(self) -> None:
        """An account holder and an API key, once."""
        state = self._ground.state
        if state.saved.user_id is None:
            state.update(user_id=await self.run_command("user", "add", OWNER, "--name", "Demo"))
        if state.saved.key is None:
            key = await self.run_command("key", "create", "--user", str(state.saved.user_id), "--name", "Demo home")
            state.update(key=key)

    async def create_sign_in_link(self) -> str:
        """An address that signs the account's owner in on the relay's pages, once and soon."""
        return await self.run_command("login", "--user", str(self._ground.state.saved.user_id))

    async def create_link_page(self, vendor: str) -> str:
        """The address of the relay's page where the account's owner links a car, once."""
        return await self.run_command(
            "vehicle", "link", "--user", str(self._ground.state.saved.user_id), "--vendor", vendor
        )

    async def list_vehicles(self) -> list[Json]:
        """The account's vehicle records."""
        headers = {"Authorization": f"Bearer {self._ground.state.saved.key}"}
        async with self._ground.session.get(f"{self.url}/api/ha/v2/vehicles", headers=headers) as response:
            answer = await response.json()
            if not response.ok:
                raise ComponentError(f"the relay answered {response.status} to GET vehicles: {answer.get('title')}")
        found: list[Json] = answer["vehicles"]
        return found

    async def find_endpoint(self) -> Json:
        """Where the relay POSTs to when Home Assistant has no stream; None when it was told of no such place."""
        headers = {"Authorization": f"Bearer {self._ground.state.saved.key}"}
        async with self._ground.session.get(f"{self.url}/api/ha/v2/endpoint", headers=headers) as response:
            return await response.json() if response.ok else None

    async def stop_database(self) -> bool:
        """Stop a PostgreSQL server that no relay lives to stop; whether there was one."""
        return await stop_orphaned_postgres(self._ground.state.relay)

    def _build_program(self, name: str, *arguments: str) -> Program:
        state, url = self._ground.state, self._ground.get_url("simulator")
        environment = {
            "EVCONDUIT_MODE": "self-hosted",
            "EVCONDUIT_DATA": str(state.relay),
            "EVCONDUIT_HOST": HOST,
            "EVCONDUIT_PORT": str(self._ground.ports[NAME]),
            "EVCONDUIT_PUBLIC_URL": self.url,
            "EVCONDUIT_OUTBOUND_ALLOW": HOST,  # Home Assistant's webhook is on loopback too
            "ENODE_CLIENT_ID": state.saved.client_id,
            "ENODE_CLIENT_SECRET": state.saved.client_secret,
            "ENODE_BASE_URL": url,
            "ENODE_AUTH_URL": f"{url}/oauth2/token",
            "ENODE_WEBHOOK_SECRET": state.saved.webhook_secret,
            "WEBHOOK_URL": f"{self.url}/api/webhook/enode",
        }
        command = [str(Path(sys.executable).with_name("evconduit")), *arguments]
        return Program(name=name, command=command, environment=environment, folder=state.path)
