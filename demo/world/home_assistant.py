"""Run a real Home Assistant and sign in to it."""

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

    def __init__(self, context: DemoContext) -> None:
        self._context = context
        self.api = HassApi(context.session, context.get_url(NAME))
        self._server: Child | None = None

    async def start(self) -> None:
        """Start Home Assistant, wait for its web server, and sign in. Integrations may still be loading."""
        folder = self._context.state.home_assistant
        home = self._context.state.saved.home or (0.0, 0.0)
        write_config(folder, port=self._context.ports[NAME], home=home, integration=INTEGRATION)
        # HA_DISABLE_LOG_FILE: log only to our file, which is kept across restarts.
        self._server = await self._context.supervisor.start(
            Program(
                name=NAME,
                command=[str(Path(sys.executable).with_name("hass")), "--skip-pip", "--config", str(folder)],
                environment={"HA_DISABLE_LOG_FILE": "1", **_get_voice_stubs_environment()},
                folder=folder,
            )
        )
        await self._context.supervisor.wait_until_ready(self._server, self.api.is_up, within=START_SECONDS)
        await self.api.sign_in()

    async def wait_until_running(self) -> None:
        """Wait until Home Assistant reports that everything is loaded."""
        if self._server is not None:
            await self._context.supervisor.wait_until_ready(self._server, self._is_running, within=START_SECONDS)

    async def _is_running(self) -> bool:
        return bool((await self.api.get("config"))["state"] == "RUNNING")

    async def stop(self) -> None:
        """Stop Home Assistant gracefully."""
        if self._server is not None:
            await self._context.supervisor.stop(self._server)
            self._server = None


def _get_voice_stubs_environment() -> dict[str, str]:
    """Return a Python path with the voice stubs if the real modules are missing."""
    folder = Path(__file__).with_name("voice_stubs")
    missing = any(find_spec(module.stem) is None for module in folder.glob("py*.py"))
    return {"PYTHONPATH": str(folder)} if missing else {}
