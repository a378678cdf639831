"""The documentation names what exists: packages, story groups, layers, tables, files and links."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.import_contracts import find_layers
from tests.architecture.tree import ROOT, read_text, tracked

ARCHITECTURE = Path("docs/architecture.md")
DOCUMENTS = tracked("*.md")
GENERATED = Path("docs/performance.md")  # by scripts/bench; names the machines in one line each
PATH_IN_TABLE = re.compile(r"`((?:relay|web|demo|scripts|tests|docs|custom_components)/[\w./-]*)`")
PYTHON_FILE = re.compile(r"`([\w./-]+\.py)`")
RELATIVE_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
LAYERS = re.compile(r"^```text layers=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CREATED_TABLE = re.compile(r"create (?:unlogged )?table (?:if not exists )?evconduit\.(\w+)", re.IGNORECASE)
WIDTH = 100


@cache
def get_architecture() -> str:
    return read_text(ARCHITECTURE) or ""


def list_table_rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def list_paths_in_first_column() -> set[str]:
    return {path for row in list_table_rows(get_architecture()) for path in PATH_IN_TABLE.findall(row.split("|")[1])}


def list_packages() -> set[str]:
    """Folders of the relay at the first level, and story groups at the second."""
    files = tracked("relay/*")
    packages = {f"relay/{path.parts[1]}/" for path in files if len(path.parts) > 2}
    groups = {f"relay/usecases/{path.parts[2]}/" for path in tracked("relay/usecases/*") if len(path.parts) > 3}
    return packages | groups


def render_anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def list_anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", read_text(path) or "", re.MULTILINE)
    return {render_anchor(heading) for heading in headings}


def list_long_lines(text: str) -> list[int]:
    """Numbers of the lines that are too long; tables, code, images and links can't be wrapped."""
    found, is_code = [], False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        elif not (is_code or len(line) <= WIDTH or line.lstrip().startswith("|") or "](" in line):
            found.append(number)
    return found


def test_every_package_and_story_group_is_in_the_tables():
    assert list_packages() - list_paths_in_first_column() == set()


def test_the_tables_name_only_existing_paths():
    assert [path for path in sorted(list_paths_in_first_column()) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("container", ["relay", "relay.usecases"])
def test_layers_in_the_documentation_are_the_import_contracts(container):
    documented = dict(LAYERS.findall(get_architecture()))[container].splitlines()
    assert documented == [layer.replace("relay.", "") for layer in find_layers(container)]


def test_every_table_of_the_database_is_described():
    created = {
        name for path in tracked("relay/supabase/migrations/*") for name in CREATED_TABLE.findall(read_text(path) or "")
    }
    described = set(re.findall(r"`(\w+)`", "".join(list_table_rows(get_architecture()))))
    assert created - described == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_python_files_that_a_document_names_exist(path: Path):
    existing = [f"/{file.as_posix()}" for file in tracked("*.py")]
    named = set(PYTHON_FILE.findall(read_text(path) or ""))
    assert [name for name in sorted(named) if not any(file.endswith(f"/{name}") for file in existing)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_relative_links_lead_to_existing_files_and_headings(path: Path):
    broken = []
    for link in RELATIVE_LINK.findall(read_text(path) or ""):
        file, _, anchor = link.partition("#")
        target = (ROOT / path.parent / file).resolve() if file else ROOT / path
        if not target.exists() or (anchor and anchor not in list_anchors(target.relative_to(ROOT))):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path != GENERATED], ids=str)
def test_prose_is_wrapped_at_100_columns(path: Path):
    assert list_long_lines(read_text(path) or "") == []


def list_troubleshooting_messages() -> list[str]:
    """The messages in the first column of the table of docs/operating.md."""
    section = (read_text(Path("docs/operating.md")) or "").partition("\n## Troubleshoot\n")[2]
    return [message for row in list_table_rows(section) for message in re.findall(r"`([^`]+)`", row.split("|")[1])]


@cache
def read_relay_source() -> str:
    return "".join(read_text(path) or "" for path in tracked("relay/*.py"))


@pytest.mark.parametrize("message", list_troubleshooting_messages())
def test_the_relay_logs_the_messages_of_the_troubleshooting_table(message):
    # Values differ: `…`, numbers, and `name=value`. What remains must be in the source.
    parts = [part.strip(" ,") for part in re.split(r"…|\d+|\w+=\S+", message)]
    assert [part for part in parts if part not in read_relay_source()] == []
