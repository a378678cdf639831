"""What every part of the world is made with."""

from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession

from demo.world.ports import HOST
from demo.world.processes import Supervisor
from demo.world.state_folder import StateFolder

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoContext:
    """State, processes, ports and an HTTP client, shared by all parts."""

    state: StateFolder
    supervisor: Supervisor
    ports: dict[str, int]
    session: ClientSession

    def get_url(self, server: str) -> str:
        """Where a server of ours listens."""
        return f"http://{HOST}:{self.ports[server]}"
