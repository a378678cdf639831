"""A pytest plugin that runs the slowest test files first, so that no worker ends with one long file alone.

A file's seconds come from the last run (in pytest's cache), else from the table below. Needs the options
`--dist loadfile --no-loadscope-reorder`, with which pytest-xdist assigns the files in the order of collection.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import pytest

CACHE_KEY = "evconduit/file_seconds"
# For a first run: estimates for one file, or for each file of a folder. The longest path that matches counts.
EXPECTED_SECONDS: Mapping[str, float] = {
    "tests/architecture/": 1,
    "tests/component/": 1,
    "tests/component/test_clock.py": 6,
    "tests/component/test_documented_automations.py": 7,
    "tests/component/test_outage.py": 5,
    "tests/component/test_repairs.py": 5,
    "tests/component/test_sensors.py": 6,
    "tests/component/test_switch.py": 7,
    "tests/component/test_webhook.py": 5,
    "tests/component/test_webhook_checks.py": 5,
    "tests/component/test_webhook_registration.py": 8,
    "tests/demo/": 2,
    "tests/e2e/": 15,
    "tests/e2e/test_bench.py": 40,
    "tests/e2e/test_chaos.py": 30,
    "tests/e2e/test_embedded_database.py": 30,
    "tests/oracle/": 13,
    "tests/relay/": 1,
    "tests/relay/api_docs/": 20,
    "tests/relay/browser/": 10,
    "tests/relay/browser/test_api_reference.py": 25,
    "tests/relay/browser/test_cloud_sign_in.py": 20,
    "tests/relay/browser/test_every_page.py": 25,
    "tests/relay/browser/test_gallery.py": 35,
    "tests/relay/cli/": 5,
    "tests/relay/cli/test_operations.py": 25,
    "tests/relay/cli/test_serve.py": 25,
    "tests/relay/every_route/": 10,
    "tests/relay/every_route/test_odd_input.py": 15,
    "tests/relay/openapi/": 3,
    "tests/relay/openapi/test_openapi.py": 35,
    "tests/relay/usecases/": 3,
    "tests/relay/usecases/account/test_delete_account.py": 15,
}


def estimate_seconds(file: str, measured: Mapping[str, float]) -> float:
    """Estimate how long the tests of a file take."""
    if file in measured:
        return measured[file]
    prefixes = [prefix for prefix in EXPECTED_SECONDS if file.startswith(prefix)]
    return EXPECTED_SECONDS[max(prefixes, key=len)] if prefixes else 0


def order_files(files: Iterable[str], measured: Mapping[str, float]) -> list[str]:
    """Order files by their estimated seconds, the longest first."""
    return sorted(dict.fromkeys(files), key=lambda file: -estimate_seconds(file, measured))


class LongestFirst:
    """Orders the files of a run, and measures them for the next one."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._cache: pytest.Cache | None = getattr(config, "cache", None)  # missing with -p no:cacheprovider
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def _read_measured(self) -> dict[str, float]:
        return (self._cache.get(CACHE_KEY, None) if self._cache else None) or {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort the tests by file. Their order within a file stays."""
        files = order_files((_get_file(item.nodeid) for item in items), self._read_measured())
        positions = {file: position for position, file in enumerate(files)}
        items.sort(key=lambda item: positions[_get_file(item.nodeid)])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the duration of a test's setup, call or teardown."""
        self._seconds[_get_file(report.nodeid)] += report.duration

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Store the seconds, unless this is a worker or the run left out tests of its files."""
        option = self._config.option
        is_partial = exitstatus not in {0, 1} or option.keyword or option.markexpr or option.maxfail
        if self._cache is None or hasattr(self._config, "workerinput") or is_partial:
            return
        measured = self._read_measured() | self._seconds
        existing = {file: seconds for file, seconds in measured.items() if (self._config.rootpath / file).exists()}
        self._cache.set(CACHE_KEY, existing)


def _get_file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin."""
    config.pluginmanager.register(LongestFirst(config), "longest-first")
