"""Every environment variable that the relay reads is documented."""

import re
from pathlib import Path

import pytest
from pydantic import AliasChoices

from relay.settings import Settings
from tests.architecture.tree import read_text, tracked

DOCUMENT = Path("docs/settings.md")


def list_variables() -> list[str]:
    """The environment variables that the settings are read from."""
    names = []
    for field, info in Settings.model_fields.items():
        alias = info.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias or field.upper()]
        names += [choice for choice in choices if isinstance(choice, str)]
    return names


def list_documented_variables() -> set[str]:
    """The variables in the first column of the tables."""
    rows = [line for line in (read_text(DOCUMENT) or "").splitlines() if line.startswith("|")]
    return {name for row in rows for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", row.split("|")[1])}


@pytest.mark.parametrize("variable", list_variables())
def test_every_setting_is_in_the_reference(variable):
    assert variable in list_documented_variables()


def test_the_reference_lists_no_other_settings():
    assert list_documented_variables() <= set(list_variables())


@pytest.mark.parametrize("path", tracked("*.md"), ids=str)
def test_documents_name_only_existing_settings(path: Path):
    named = set(re.findall(r"`((?:EVCONDUIT|ENODE|SUPABASE)_[A-Z_]+)`", read_text(path) or ""))
    assert named <= set(list_variables())


def test_only_the_settings_read_the_environment():
    # PATH is handed on to programs that are started; it isn't a setting.
    read = re.compile(r"\bos\.(?:environ\b(?!\.get\(\"PATH\")|getenv)")
    readers = [path.as_posix() for path in tracked("relay/*.py") if read.search(read_text(path) or "")]
    assert readers == ["relay/settings.py"]
