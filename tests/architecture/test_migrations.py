"""Rules for the text of the migrations. Other tests run them against a database."""

import re
from pathlib import Path

import pytest

from tests.architecture.tree import read_text, tracked

FOLDER = "relay/supabase/migrations"
MIGRATIONS = tracked(f"{FOLDER}/*")
CREATED_TABLE = re.compile(
    r"^\s*create (?:unlogged )?table (?:if not exists )?evconduit\.(\w+)", re.IGNORECASE | re.MULTILINE
)


def read_statements(path: Path) -> str:
    """A migration's SQL without comments."""
    return re.sub(r"--[^\n]*", "", read_text(path) or "")


def list_tables() -> list[tuple[Path, str, int]]:
    """Each table: the migration that creates it, its name, and the position after its name."""
    return [
        (path, match[1], match.end()) for path in MIGRATIONS for match in CREATED_TABLE.finditer(read_statements(path))
    ]


def test_there_are_migrations():
    assert list_tables()


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.name)
def test_a_migration_is_named_by_time_and_purpose(path: Path):
    assert re.fullmatch(r"\d{14}_[a-z0-9]+(?:_[a-z0-9]+)*\.sql", path.name)


def test_migrations_have_different_times():
    times = [path.name[:14] for path in MIGRATIONS]
    assert len(times) == len(set(times))


@pytest.mark.parametrize(
    ("path", "table", "position"), list_tables(), ids=lambda value: value if isinstance(value, str) else ""
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
def test_a_migration_secures_the_rows_of_each_table_it_creates(path: Path, table, position, protection):
    # By name, or by a later loop over all tables (%I of format()).
    after = re.sub(r"\s+", " ", read_statements(path)[position:])
    assert re.search(protection.format(table=f"(?:{table}|%I)"), after, re.IGNORECASE)
