"""Objects shared by all components of the demo."""

from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession

from demo.world.ports import HOST
from demo.world.processes import Supervisor
from demo.world.state_folder import StateFolder

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoContext:
    """State folder, supervisor, ports and HTTP client, shared by all components."""

    state: StateFolder
    supervisor: Supervisor
    ports: dict[str, int]
    session: ClientSession

    def get_url(self, server: str) -> str:
        """Return the base URL of one of the demo's servers."""
        return f"http://{HOST}:{self.ports[server]}"
