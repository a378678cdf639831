"""Check that Home Assistant runs normally and the logs have no errors of EVConduit."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from demo.world.check.charging import REFUSAL
from demo.world.check.context import CheckContext, expect

INTEGRATION = "evconduit"
# In a traceback the name alone is not enough: the interpreter's path may contain it.
INTEGRATION_PATH = "custom_components/evconduit"
# Problems in these are never specific to the machine: setup of integrations, and commands of the frontend.
CORE_LOGGERS = (
    "homeassistant.setup",
    "homeassistant.bootstrap",
    "homeassistant.config",
    "homeassistant.components.websocket_api",
)
ENTRY_PATTERN = re.compile(r"^\d{4}-\d\d-\d\d \S+ (DEBUG|INFO|WARNING|ERROR|CRITICAL) \([^)]*\) \[([^]]*)\] ")
EXPECTED_MESSAGES = (
    "We found a custom integration evconduit which has not been tested by Home Assistant",
    "Skipping pip installation of required modules",
    # Home Assistant logs every error that an action raises; this one is intended.
    REFUSAL["detail"],
)
# The frontend's first commands; if one of them fails, it shows only its logo.
FRONTEND_COMMANDS = (
    "get_config",
    "get_services",
    "get_panels",
    "frontend/get_themes",
    "recorder/info",
    "repairs/list_issues",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """An entry of Home Assistant's log. `text` includes the traceback."""

    level: str
    logger: str
    text: str


def read_log(text: str) -> Iterator[LogEntry]:
    """Parse the entries of a log. Text before the first one is ignored."""
    entry, lines = None, list[str]()
    for line in [*text.splitlines(), None]:
        match = None if line is None else ENTRY_PATTERN.match(line)
        if entry is not None and (line is None or match is not None):
            yield LogEntry(level=entry[1], logger=entry[2], text="\n".join(lines))
        if match is not None:
            entry, lines = match, []
        if line is not None:
            lines.append(line)


def find_problems(text: str) -> list[str]:
    """Return the first lines of unexpected warnings and errors that concern the integration."""
    return [
        entry.text.splitlines()[0]
        for entry in read_log(text)
        if entry.level in {"WARNING", "ERROR", "CRITICAL"}
        and _is_relevant(entry)
        and not any(message in entry.text for message in EXPECTED_MESSAGES)
    ]


def _is_relevant(entry: LogEntry) -> bool:
    return (
        INTEGRATION in entry.text.splitlines()[0]
        or INTEGRATION_PATH in entry.text
        or entry.logger.startswith(CORE_LOGGERS)
    )


async def check_home_assistant_health(context: CheckContext) -> str:
    """Check the mode, the frontend's commands, the notifications and the logs."""
    world = context.world
    config = await world.home_assistant.api.get("config")
    mode = {name: config[name] for name in ("recovery_mode", "safe_mode", "state")}
    wanted = {"recovery_mode": False, "safe_mode": False, "state": "RUNNING"}
    expect(mode == wanted, "a Home Assistant in normal operation", mode)
    async with world.open_socket() as socket:
        for command in FRONTEND_COMMANDS:
            await socket.call(command)
        notifications = [row["notification_id"] for row in await socket.call("persistent_notification/get")]
    expect(not notifications, "no notifications", notifications)
    problems = find_problems(_read_text(world.state.logs / "home-assistant.log"))
    expect(not problems, "no problems in Home Assistant's log", "\n".join(problems))
    for name in ("relay", "evconduit", "simulator"):
        log = _read_text(world.state.logs / f"{name}.log")
        expect("Traceback" not in log, f"no traceback in {name}.log", log[log.find("Traceback") :][:2000])
    return f"Home Assistant {config['version']}, no problems in its log, the relay's and the simulator's"


def _read_text(file: Path) -> str:
    return file.read_text("utf-8", errors="replace") if file.exists() else ""
