"""The two ways to run pytest: Home Assistant's plugin affects a whole run, so its tests run separately."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from scripts.lib.mutation import pytest_server

# A machine in UTC hides mutants of time zones. The tests must not depend on the machine's.
TIME_ZONE = "Asia/Kathmandu"


@dataclass(frozen=True, kw_only=True, slots=True)
class PytestGroup:
    """Tests that run together: options and environment of pytest, and what is imported before it starts.

    Most of the time of a short run goes into finding and importing plugins, so the relay's tests load only theirs.
    """

    name: str
    options: tuple[str, ...]
    preloaded: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


RELAY = PytestGroup(
    name="relay",
    options=("-p", "pytest_asyncio.plugin", "-p", "pytest_timeout"),
    preloaded=pytest_server.PRELOADED_BY_RELAY,
    environment={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "TZ": TIME_ZONE},
)
COMPONENT = PytestGroup(
    name="integration",
    options=("-c", "tests/component/pytest.ini", "--rootdir", "."),
    preloaded=pytest_server.PRELOADED_BY_COMPONENT,
    environment={"TZ": TIME_ZONE},
)
# Options for the relay's tests that leave out those with a database.
WITHOUT_DATABASE = ("-p", "scripts.lib.mutation.no_database")
