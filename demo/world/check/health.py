"""The last row: Home Assistant is well, and no log holds an error of ours."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from demo.world.check.bench import Bench, demand
from demo.world.world import NOTICE

OURS = "evconduit"
# The voice integrations: two of their C++ parts have no wheels, and the demo needs no compiler.
LEFT_OUT = {"assist_pipeline", "assist_satellite"}
SET_UP = re.compile(r"Setup failed for '(\w+)'|Unable to set up dependencies of '(\w+)'")
NAMED = re.compile(r"^ - \[(\w+)\]", re.MULTILINE)
ENTRY = re.compile(r"^\d{4}-\d\d-\d\d \S+ (DEBUG|INFO|WARNING|ERROR|CRITICAL) \([^)]*\) \[([^]]*)\] ")
EXPECTED = ("We found a custom integration evconduit which has not been tested by Home Assistant",)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """An entry of Home Assistant's log; `text` with its traceback."""

    level: str
    text: str


def read_log(text: str) -> Iterator[LogEntry]:
    """The entries of a log. What stands before the first one is left out."""
    level, lines = "", list[str]()
    for line in text.splitlines():
        if found := ENTRY.match(line):
            if lines:
                yield LogEntry(level=level, text="\n".join(lines))
            level, lines = found[1], [line]
        elif lines:
            lines.append(line)
    if lines:
        yield LogEntry(level=level, text="\n".join(lines))


def complaints(text: str) -> list[str]:
    """The first lines of entries that should not be there: warnings that name us, set-ups that failed."""
    found = []
    for entry in read_log(text):
        if entry.level not in {"WARNING", "ERROR", "CRITICAL"} or any(known in entry.text for known in EXPECTED):
            continue
        failed = SET_UP.search(entry.text)
        if OURS in entry.text or (failed and not LEFT_OUT & set(failed.groups())):
            found.append(entry.text.splitlines()[0])
    return found


async def prove_health(bench: Bench) -> str:
    """Not in recovery mode, nothing failed to load but what was left out, no error in a log."""
    world = bench.world
    config = await world.home_assistant.api.get("config")
    mode = {name: config[name] for name in ("recovery_mode", "safe_mode", "state")}
    wanted = {"recovery_mode": False, "safe_mode": False, "state": "RUNNING"}
    demand(mode == wanted, "a Home Assistant that runs as it should", mode)
    async with world.socket() as socket:
        notices = {it["notification_id"]: it["message"] for it in await socket.call("persistent_notification/get")}
    failed = set(NAMED.findall(notices.pop(NOTICE, ""))) - LEFT_OUT
    demand(not failed and not notices, "no notice but of the voice integrations", sorted(failed | notices.keys()))
    found = complaints(_log(world.state.logs / "home-assistant.log"))
    demand(not found, "a log without complaints of ours", "\n".join(found))
    for name in ("relay", "evconduit", "simulator"):
        log = _log(world.state.logs / f"{name}.log")
        demand("Traceback" not in log, f"no traceback in {name}.log", log[log.find("Traceback") :][:2000])
    return f"Home Assistant {config['version']}, no complaints in its log and those of the relay and the simulator"


def _log(file: Path) -> str:
    return file.read_text("utf-8", errors="replace") if file.exists() else ""
