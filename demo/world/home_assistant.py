"""A real Home Assistant: prepared, started, signed in, and spoken to the way a person's browser does."""

import sys
from importlib.util import find_spec
from pathlib import Path

from demo.world.context import ROOT, DemoContext
from demo.world.hass_api import HassApi
from demo.world.home_assistant_config import write_config
from demo.world.processes import Child, Program

NAME = "home-assistant"
START_SECONDS = 120.0
INTEGRATION = ROOT / "custom_components" / "evconduit"


class HomeAssistant:
    """The demo's Home Assistant."""

    def __init__(self, ground: DemoContext) -> None:
        self._ground = ground
        self.api = HassApi(ground.session, ground.get_url(NAME))
        self._server: Child | None = None

    async def start(self) -> None:
        """Start it with its web server up; integrations may still be loading. Sign in."""
        folder = self._ground.state.home_assistant
        home = self._ground.state.saved.home or (0.0, 0.0)
        write_config(folder, port=self._ground.ports[NAME], home=home, integration=INTEGRATION)
        # HA_DISABLE_LOG_FILE: what it logs goes to our log alone, which lives through its restarts.
        self._server = await self._ground.supervisor.start(
            Program(
                name=NAME,
                command=[str(Path(sys.executable).with_name("hass")), "--skip-pip", "--config", str(folder)],
                environment={"HA_DISABLE_LOG_FILE": "1", **_get_voice_stubs_environment()},
                folder=folder,
            )
        )
        await self._ground.supervisor.wait_until_ready(self._server, self.api.is_up, within=START_SECONDS)
        await self.api.sign_in()

    async def wait_until_running(self) -> None:
        """Wait until it says that everything is loaded."""
        if self._server is not None:
            await self._ground.supervisor.wait_until_ready(self._server, self._is_running, within=START_SECONDS)

    async def _is_running(self) -> bool:
        return bool((await self.api.get("config"))["state"] == "RUNNING")

    async def stop(self) -> None:
        """Stop it the regular way."""
        if self._server is not None:
            await self._ground.supervisor.stop(self._server)
            self._server = None


def _get_voice_stubs_environment() -> dict[str, str]:
    """Where stand-ins for voice modules lie, if those are missing."""
    folder = Path(__file__).with_name("voice_stubs")
    missing = any(find_spec(module.stem) is None for module in folder.glob("py*.py"))
    return {"PYTHONPATH": str(folder)} if missing else {}
