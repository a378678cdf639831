"""Select the test files that a change can break."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from scripts.lib.import_graph import build_import_graph, find_users

# Above this share of the test files, leaving out the others isn't worth the risk.
MAX_SHARE = 0.7

# Changes of these affect every test.
GLOBAL_PATTERNS = ("pyproject.toml", "uv.lock", ".python-version", "tests/conftest.py", "scripts/lib/*.sh")
# What reads other files, or loads them by name: a change of them counts as one of these files or folders.
READERS: Mapping[str, Sequence[str]] = {
    "web/*": ("relay/pages/translations.py", "relay/pages/rendering.py", "tests/relay/pages/", "tests/relay/browser/"),
    "relay/pages/*.py": ("tests/relay/pages/test_translations.py",),
    "relay/usecases/*.py": ("tests/relay/pages/test_translations.py",),
    "relay/supabase/migrations/*.sql": ("relay/kit/migrations.py",),
    "demo/enode/templates/*": ("demo/enode/link_pages.py",),
    "custom_components/*": ("custom_components/evconduit/__init__.py",),
    "blueprints/*": ("tests/component/test_blueprints.py",),
    "custom_sentences/*": ("tests/component/test_intent.py",),
    "docs/evcc.md": ("tests/component/test_evcc.py",),
    "docs/blueprints.md": ("tests/component/test_blueprints.py",),
    "hacs.json": ("tests/component/test_conformance.py",),
    "tests/component/pytest.ini": ("tests/component/",),
    "tests/component/fixtures/*": ("tests/component/",),
    "tests/component/snapshots/*": ("tests/component/",),
    "docs/api.md": ("tests/relay/api_docs/", "relay/openapi/reference.py"),
    "docs/*": ("tests/relay/browser/test_screenshot_files.py",),
}
# Tests that list the files of the tree are always selected, therefore these need no other test.
CHECKED_BY_THE_TREE = ("*.md", "docs/*", "LICENSE", ".gitignore", ".editorconfig", ".pre-commit-config.yaml", ".ci/run")
TREE_READER = "list_files("  # of tests/architecture/tree.py
COMMAND = re.compile(r"scripts/\w+")  # starts Python modules, which the tests use directly


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """The selected test files out of `total`; all of them if there is a reason for it."""

    files: tuple[str, ...]
    total: int
    reason_for_all: str | None = None


def is_test_file(path: str) -> bool:
    """Whether pytest collects this file."""
    return path.startswith("tests/") and path.rpartition("/")[2].startswith("test_") and path.endswith(".py")


def select_tests(changed: Collection[str], sources: Mapping[str, str]) -> Selection:
    """Select the test files that `changed` files can break. `sources` has all Python files, by path."""
    tests = sorted(filter(is_test_file, sources))

    def select_all(reason: str) -> Selection:
        return Selection(files=tuple(tests), total=len(tests), reason_for_all=reason)

    for path in sorted(changed):
        if _matches(path, GLOBAL_PATTERNS):
            return select_all(f"{path} affects every test")
        if not _is_known(path):
            return select_all(f"it is unknown which tests {path} affects")
    # A deleted module is in no source, but others may still import it.
    graph = build_import_graph(dict.fromkeys((path for path in changed if path.endswith(".py")), "") | dict(sources))
    tree_readers = [test for test in tests if TREE_READER in sources[test]]
    users = find_users(graph, [*changed, *_find_readers(changed, graph), *tree_readers])
    selected = tuple(test for test in tests if test in users)
    if len(selected) > MAX_SHARE * len(tests):
        return select_all(f"{len(selected)} of {len(tests)} test files are affected")
    return Selection(files=selected, total=len(tests))


def _matches(path: str, patterns: Collection[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)  # `*` matches slashes as well


def _is_known(path: str) -> bool:
    return bool(path.endswith(".py") or COMMAND.fullmatch(path) or _matches(path, (*READERS, *CHECKED_BY_THE_TREE)))


def _find_readers(changed: Collection[str], graph: Collection[str]) -> set[str]:
    readers = {
        reader
        for pattern, readers in READERS.items()
        for path in changed
        if fnmatchcase(path, pattern)
        for reader in readers
    }
    return {file for file in graph for reader in readers if file == reader or file.startswith(_as_folder(reader))}


def _as_folder(path: str) -> tuple[str, ...]:
    return (path,) if path.endswith("/") else ()
