"""What can be told from the text of the migrations; what the database makes of them is tested against a database."""

import re
from pathlib import Path

import pytest

from tests.architecture.tree import text_of, tracked

FOLDER = "relay/supabase/migrations"
MIGRATIONS = tracked(f"{FOLDER}/*")
TABLE = re.compile(r"^\s*create (?:unlogged )?table (?:if not exists )?evconduit\.(\w+)", re.IGNORECASE | re.MULTILINE)


def statements(path: Path) -> str:
    """The SQL without its comments."""
    return re.sub(r"--[^\n]*", "", text_of(path) or "")


def tables() -> list[tuple[Path, str, int]]:
    """Every table, with the migration that makes it and the place where."""
    return [(path, found[1], found.end()) for path in MIGRATIONS for found in TABLE.finditer(statements(path))]


def test_there_are_migrations():
    assert tables()


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.name)
def test_a_migration_is_named_by_time_and_purpose(path: Path):
    assert re.fullmatch(r"\d{14}_[a-z0-9]+(?:_[a-z0-9]+)*\.sql", path.name)


def test_no_two_migrations_have_one_time():
    times = [path.name[:14] for path in MIGRATIONS]
    assert len(times) == len(set(times))


@pytest.mark.parametrize(
    ("path", "table", "made_at"), tables(), ids=lambda value: value if isinstance(value, str) else ""
)
@pytest.mark.parametrize(
    "protection",
    [
        r"alter table evconduit\.{table} enable row level security",
        r"alter table evconduit\.{table} force row level security",
        r"create policy \w+ on evconduit\.{table} (?:as permissive )?for all to evconduit_relay\b",
    ],
    ids=["enabled", "forced", "policy"],
)
def test_a_table_is_born_with_row_security(path: Path, table, made_at, protection):
    # By its name, or by a loop over all tables that comes after it (format's %I).
    after = re.sub(r"\s+", " ", statements(path)[made_at:])
    assert re.search(protection.format(table=f"(?:{table}|%I)"), after, re.IGNORECASE)
