"""docs/security.md assesses every section of OWASP ASVS 5.0, and cites only files and tests that exist."""

import ast
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.tree import list_files, read_text

DOCUMENT = Path("docs/security.md")
# The number of sections of each chapter of OWASP ASVS 5.0.0 (May 2025).
SECTION_COUNTS = {1: 5, 2: 4, 3: 7, 4: 4, 5: 4, 6: 8, 7: 6, 8: 4, 9: 2, 10: 7, 11: 7, 12: 3, 13: 4, 14: 3, 15: 4}
SECTION_COUNTS |= {16: 5, 17: 3}
STATES = ("met", "partly", "open", "not applicable")
NOTHING = "\N{EN DASH}"
ROW = re.compile(r"^\| V(\d+\.\d+) ([^|]+) \|", re.MULTILINE)
CHAPTER = re.compile(r"^### V(\d+) (.+)$", re.MULTILINE)
CITED_PATH = re.compile(
    r"`((?:relay|web|demo|scripts|tests|docs|custom_components)/[\w./-]+|pyproject\.toml)(?:::(\w+))?`"
)


@dataclass(frozen=True, slots=True)
class Row:
    """An assessed section."""

    section: str
    title: str
    state: str
    how: str
    evidence: str
    gap: str

    @property
    def has_evidence(self) -> bool:
        """Whether it cites a file or test."""
        return CITED_PATH.search(self.evidence) is not None

    @property
    def has_gap(self) -> bool:
        """Whether it states one."""
        return self.gap != NOTHING


def parse_rows(text: str) -> list[Row]:
    """Parse the rows of all sections."""
    rows = []
    for line in text.splitlines():
        if match := ROW.match(line):
            _, _, state, how, evidence, gap, _ = (cell.strip() for cell in line.split("|"))
            rows.append(Row(match[1], match[2], state, how, evidence, gap))
    return rows


def find_faults(row: Row) -> list[str]:
    """What is missing in a row: its state must follow from evidence and gap."""
    expected = {"met": (True, False), "partly": (True, True), "open": (False, True)}.get(row.state)
    faults = [f"unknown state {row.state!r}"] if row.state not in STATES else []
    if expected is not None and (row.has_evidence, row.has_gap) != expected:
        faults.append(f"{row.state}: evidence={row.has_evidence} gap={row.has_gap}")
    if len(row.how) < 10:
        faults.append("no explanation")
    return faults


@cache
def get_document() -> str:
    return read_text(DOCUMENT) or ""


@cache
def list_functions(path: Path) -> frozenset[str]:
    nodes = ast.walk(ast.parse(read_text(path) or ""))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def find_missing_citations(text: str) -> list[str]:
    """Cited paths that aren't files of this repository, and cited tests that aren't in their file."""
    files = set(list_files())
    missing = []
    for name, test in CITED_PATH.findall(text):
        path = Path(name)
        if path not in files:
            missing.append(name)
        elif test and test not in list_functions(path):
            missing.append(f"{name}::{test}")
    return missing


def test_every_section_of_the_standard_is_assessed_once_and_in_order():
    expected = [f"{chapter}.{number}" for chapter, count in SECTION_COUNTS.items() for number in range(1, count + 1)]
    assert [row.section for row in parse_rows(get_document())] == expected
    assert [int(number) for number, _ in CHAPTER.findall(get_document())] == list(SECTION_COUNTS)
    assert max(Counter(row.title for row in parse_rows(get_document())).values()) == 1


@pytest.mark.parametrize("row", parse_rows(get_document()), ids=lambda row: row.section)
def test_state_of_a_section_has_its_evidence_or_names_the_gap(row):
    assert find_faults(row) == []


def test_cited_files_and_tests_exist():
    assert find_missing_citations(get_document()) == []


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("`relay/app.py`", []),
        ("`relay/no_such_file.py`", ["relay/no_such_file.py"]),
        ("`tests/architecture/test_security_docs.py::test_cited_files_and_tests_exist`", []),
        ("`relay/app.py::no_such_name`, `pyproject.toml`", ["relay/app.py::no_such_name"]),
        ("`tests/architecture`", ["tests/architecture"]),
    ],
)
def test_missing_citation_is_found(text, missing):
    assert find_missing_citations(text) == missing


@pytest.mark.parametrize(
    ("state", "evidence", "gap", "is_complete"),
    [
        ("met", "`relay/app.py`", NOTHING, True),
        ("met", NOTHING, NOTHING, False),
        ("met", "`relay/app.py`", "Something is missing.", False),
        ("partly", "`relay/app.py`", "Something is missing.", True),
        ("partly", "`relay/app.py`", NOTHING, False),
        ("open", NOTHING, "Everything is missing.", True),
        ("open", NOTHING, NOTHING, False),
        ("not applicable", NOTHING, NOTHING, True),
        ("fine", "`relay/app.py`", NOTHING, False),
    ],
)
def test_state_without_its_evidence_or_gap_is_found(state, evidence, gap, is_complete):
    [row] = parse_rows(f"| V1.1 A title | {state} | An explanation. | {evidence} | {gap} |")
    assert (find_faults(row) == []) is is_complete


def test_other_documents_lead_to_the_assessment():
    for name in ("SECURITY.md", "docs/README.md", "README.md"):
        assert re.search(r"\]\((?:docs/)?security\.md[)#]", read_text(Path(name)) or ""), name
