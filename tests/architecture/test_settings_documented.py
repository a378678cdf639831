"""An operator can look up every environment variable that the relay reads."""

import re
from pathlib import Path

import pytest
from pydantic import AliasChoices

from relay.settings import Settings
from tests.architecture.tree import text_of, tracked

MANUALS = ("docs/operations.md", "README.md")


def variables() -> list[str]:
    """Names under which the settings are read from the environment."""
    names = []
    for field, info in Settings.model_fields.items():
        alias = info.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias or field.upper()]
        names += [choice for choice in choices if isinstance(choice, str)]
    return names


@pytest.mark.parametrize("variable", variables())
def test_the_manual_tells_what_it_means(variable):
    manuals = "".join(text_of(path) or "" for path in tracked(*MANUALS))
    assert f"`{variable}`" in manuals


def test_the_manual_invents_none():
    told = set(re.findall(r"`((?:EVCONDUIT|ENODE)_[A-Z_]+)`", text_of(Path("docs/operations.md")) or ""))
    assert told <= set(variables())


def test_only_the_settings_read_the_environment():
    # PATH is handed on to programs that are started; it is no setting of ours.
    read = re.compile(r"\bos\.(?:environ\b(?!\.get\(\"PATH\")|getenv)")
    elsewhere = [path.as_posix() for path in tracked("relay/*.py") if read.search(text_of(path) or "")]
    assert elsewhere == ["relay/settings.py"]
