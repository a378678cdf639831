"""A plugin for pytest that leaves out tests which need a PostgreSQL."""

import pytest

DATABASE_FIXTURE = "postgres"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests that use the database, directly or through another fixture."""
    left_out = [item for item in items if DATABASE_FIXTURE in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
