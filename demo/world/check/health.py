"""The last row: Home Assistant is well, and no log holds an error of ours."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from demo.world.check.charging import REFUSAL
from demo.world.check.context import CheckContext, expect

INTEGRATION = "evconduit"
# In a traceback the name alone says nothing: the interpreter itself may lie in a folder called so.
INTEGRATION_PATH = "custom_components/evconduit"
# What goes wrong in these is never just the machine's: set-up of integrations, and what the frontend asks.
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
    # Home Assistant itself logs every error that an action raises; this one was ordered.
    REFUSAL["detail"],
)
# The first questions of the frontend; without an answer to each it shows nothing but its logo.
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
    """An entry of Home Assistant's log; `text` with its traceback."""

    level: str
    logger: str
    text: str


def read_log(text: str) -> Iterator[LogEntry]:
    """The entries of a log. What stands before the first one is left out."""
    begun, lines = None, list[str]()
    for line in [*text.splitlines(), None]:
        found = None if line is None else ENTRY_PATTERN.match(line)
        if begun is not None and (line is None or found is not None):
            yield LogEntry(level=begun[1], logger=begun[2], text="\n".join(lines))
        if found is not None:
            begun, lines = found, []
        if line is not None:
            lines.append(line)


def find_problems(text: str) -> list[str]:
    """The first lines of the entries, from warnings up, that are ours to explain."""
    return [
        entry.text.splitlines()[0]
        for entry in read_log(text)
        if entry.level in {"WARNING", "ERROR", "CRITICAL"}
        and _is_relevant(entry)
        and not any(known in entry.text for known in EXPECTED_MESSAGES)
    ]


def _is_relevant(entry: LogEntry) -> bool:
    return (
        INTEGRATION in entry.text.splitlines()[0]
        or INTEGRATION_PATH in entry.text
        or entry.logger.startswith(CORE_LOGGERS)
    )


async def check_home_assistant_health(bench: CheckContext) -> str:
    """Not in recovery mode, everything loaded, no notice, the frontend served, no error in a log."""
    world = bench.world
    config = await world.home_assistant.api.get("config")
    mode = {name: config[name] for name in ("recovery_mode", "safe_mode", "state")}
    wanted = {"recovery_mode": False, "safe_mode": False, "state": "RUNNING"}
    expect(mode == wanted, "a Home Assistant that runs as it should", mode)
    async with world.open_socket() as socket:
        for question in FRONTEND_COMMANDS:
            await socket.call(question)
        notices = [it["notification_id"] for it in await socket.call("persistent_notification/get")]
    expect(not notices, "no notice to the person", notices)
    found = find_problems(_read_text(world.state.logs / "home-assistant.log"))
    expect(not found, "a log without complaints of ours", "\n".join(found))
    for name in ("relay", "evconduit", "simulator"):
        log = _read_text(world.state.logs / f"{name}.log")
        expect("Traceback" not in log, f"no traceback in {name}.log", log[log.find("Traceback") :][:2000])
    return f"Home Assistant {config['version']}, no complaints in its log and those of the relay and the simulator"


def _read_text(file: Path) -> str:
    return file.read_text("utf-8", errors="replace") if file.exists() else ""
