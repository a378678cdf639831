"""scripts/test --changed runs the tests that a change can break, and prints what it selects and leaves out."""

import subprocess

import grimp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.lib import changed_files, git, run_tests
from scripts.lib.affected_tests import GLOBAL_PATTERNS, MAX_SHARE, READERS, Selection, select_tests
from scripts.lib.import_graph import build_import_graph
from scripts.lib.outcomes import SuiteOutcome
from tests.architecture.tree import ROOT, list_files

# Many unrelated tests, so that no selection reaches the share at which everything runs.
UNRELATED = {f"tests/relay/unrelated/test_{number}.py": "import json" for number in range(40)}
TREE = {
    "tests/architecture/tree.py": "def list_files(): pass",
    "tests/architecture/test_files.py": "from tests.architecture.tree import list_files\nFILES = list_files()",
}
SOURCES = TREE | {
    "relay/__init__.py": "",
    "relay/cli/__init__.py": "import relay.merge",
    "relay/database.py": "import psycopg",
    "relay/merge.py": "from .vehicles import Vehicle",
    "relay/vehicles.py": "class Vehicle: pass",
    "relay/pages/rendering.py": "",
    "demo/__main__.py": "def main():\n    from demo import world",
    "demo/world.py": "import scripts.lib.ports",
    "scripts/lib/ports.py": "",
    "custom_components/evconduit/__init__.py": "",
    "custom_components/evconduit/switch.py": "",
    "tests/component/conftest.py": "import custom_components.evconduit",
    "tests/component/helpers.py": "",
    "tests/component/test_helpers.py": "from helpers import x",
    "tests/component/test_switch.py": "import custom_components.evconduit",
    "tests/relay/conftest.py": (
        "import pytest\nfrom relay import database, merge\nfrom relay.vehicles import Vehicle\n"
        "class Account: car = Vehicle()\n"
        "@pytest.fixture\ndef pool(): return database\n"
        "@pytest.fixture\ndef account(pool): return Account()\n"
        "@pytest.fixture(autouse=True)\ndef _log(): return merge\n"
    ),
    "tests/relay/test_account.py": "def test_account(account): pass",
    "tests/relay/test_pool.py": "import pytest\n@pytest.mark.usefixtures('pool')\ndef test_pool(): pass",
    "tests/relay/support/code.py": "CODE = '''\nimport sys\nfrom relay.database import x\n'''",
    "tests/relay/test_code.py": "from tests.relay.support.code import CODE",
    "tests/relay/test_pure.py": "def test_pure(): pass",
    "tests/demo/test_program.py": "COMMAND = [executable, '-P', '-m', 'demo', '--check']",
    "tests/demo/test_modules.py": "def test_module(name): run('-m', f'scripts.lib.{name}')",
    "tests/e2e/conftest.py": "class Relay: command = 'evconduit'\ndef start(): return Relay()",
    "tests/e2e/test_processes.py": "from tests.e2e.conftest import start",
}
ALWAYS = {"tests/architecture/test_files.py"}
WITH_AUTOMATIC_FIXTURE = {
    "tests/relay/test_account.py",
    "tests/relay/test_code.py",
    "tests/relay/test_pool.py",
    "tests/relay/test_pure.py",
    *UNRELATED,
}


def select(*changed: str) -> set[str]:
    """The selected files, without those that every change selects."""
    selection = select_tests(changed, SOURCES | UNRELATED)
    assert selection.reason_for_all is None
    assert set(selection.files) >= ALWAYS
    return set(selection.files) - ALWAYS


@pytest.mark.parametrize(
    ("changed", "selected"),
    [
        ("tests/relay/test_pure.py", ["tests/relay/test_pure.py"]),
        ("tests/component/helpers.py", ["tests/component/test_helpers.py"]),
        ("demo/world.py", ["tests/demo/test_program.py"]),
        ("scripts/lib/ports.py", ["tests/demo/test_modules.py", "tests/demo/test_program.py"]),
        ("relay/cli/__init__.py", ["tests/e2e/test_processes.py"]),
        ("relay/database.py", ["tests/relay/test_account.py", "tests/relay/test_code.py", "tests/relay/test_pool.py"]),
        ("tests/relay/support/code.py", ["tests/relay/test_code.py"]),
        ("tests/e2e/conftest.py", ["tests/e2e/test_processes.py"]),
        ("custom_components/evconduit/switch.py", ["tests/component/test_switch.py"]),
        ("custom_components/evconduit/icons.json", ["tests/component/test_switch.py"]),
        ("tests/component/snapshots/x.ambr", ["tests/component/test_helpers.py", "tests/component/test_switch.py"]),
        ("docs/architecture.md", []),
        ("README.md", []),
        ("scripts/lint", []),
    ],
)
def test_tests_that_use_a_changed_file_are_selected(changed, selected):
    assert sorted(select(changed)) == selected


def test_deleted_module_selects_the_tests_that_still_import_it():
    sources = SOURCES | UNRELATED | {"tests/relay/test_pure.py": "from relay.gone import x"}
    assert set(select_tests(["relay/gone.py"], sources).files) == ALWAYS | {"tests/relay/test_pure.py"}


@pytest.mark.parametrize("path", ["uv.lock", "pyproject.toml", "tests/conftest.py", "scripts/lib/setup.sh"])
def test_change_of_the_environment_selects_everything(path):
    selection = select_tests([path], SOURCES)
    assert selection.reason_for_all == f"{path} affects every test"
    assert len(selection.files) == selection.total > 0


def test_unknown_kind_of_file_selects_everything():
    selection = select_tests(["relay/merge.py", "relay/model.onnx"], SOURCES)
    assert selection.reason_for_all == "it is unknown which tests relay/model.onnx affects"
    assert len(selection.files) == selection.total


def test_most_of_the_tests_become_all_of_them():
    selection = select_tests(["relay/merge.py"], SOURCES | UNRELATED)
    expected = len(WITH_AUTOMATIC_FIXTURE | ALWAYS | {"tests/e2e/test_processes.py"})
    assert expected > MAX_SHARE * selection.total
    assert selection.reason_for_all == f"{expected} of {selection.total} test files are affected"
    assert len(selection.files) == selection.total


MODULES = [f"relay/m{number}.py" for number in range(6)]
IMPORT_FORMS = [
    "import relay.{}",
    "from relay.{} import x",
    "from relay import {}",
    "def f():\n    import relay.{} as m",
]


@given(
    imports=st.dictionaries(st.sampled_from(MODULES), st.sampled_from(MODULES)),
    imported=st.sampled_from(MODULES),
    form=st.sampled_from(IMPORT_FORMS),
    changed=st.sets(st.sampled_from(MODULES), min_size=1),
)
def test_test_that_imports_a_changed_module_is_always_selected(imports, imported, form, changed):
    def write_import(path: str, form: str = "import relay.{}") -> str:
        return form.format(path.removeprefix("relay/").removesuffix(".py"))

    sources = {path: write_import(imports[path]) if path in imports else "" for path in MODULES}
    test = "tests/relay/test_it.py"
    selected = select_tests(changed, sources | UNRELATED | {test: write_import(imported, form)}).files
    used = [imported]
    while used[-1] in imports and imports[used[-1]] not in used:
        used.append(imports[used[-1]])
    assert (test in selected) == (not changed.isdisjoint(used))


def test_graph_has_all_imports_that_grimp_finds():
    graph = build_import_graph(changed_files.read_sources())
    oracle = grimp.build_graph("relay", "demo", "custom_components", "scripts", "tests", cache_dir=None)
    files = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in graph}
    missing = [
        (files[importer], files[imported])
        for importer in oracle.modules & files.keys()
        for imported in oracle.find_modules_directly_imported_by(importer) & files.keys()
        if not files[importer].endswith("conftest.py") and files[imported] not in graph[files[importer]]
    ]
    assert missing == []


@pytest.mark.parametrize("pattern", [*READERS, *GLOBAL_PATTERNS])
def test_every_pattern_matches_a_file(pattern):
    assert list_files(pattern)


@pytest.mark.parametrize("reader", sorted({reader for readers in READERS.values() for reader in readers}))
def test_every_reader_exists(reader):
    assert (ROOT / reader).exists()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with a branch that has a commit more than `main`. Returns a function that runs git."""
    for module in (git, changed_files):
        monkeypatch.setattr(module, "ROOT", tmp_path)

    def run_git(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    run_git("init", "-b", "main")
    for name in ("kept.py", "changed.py", "renamed.py", "deleted.py"):
        (tmp_path / name).write_text(f"name = '{name}'\n")
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    run_git("add", ".")
    run_git("commit", "-m", "first")
    run_git("checkout", "-b", "topic")
    run_git("mv", "renamed.py", "new name.py")
    run_git("commit", "-m", "second")
    return run_git


def test_changes_are_those_of_commits_and_of_the_working_tree(repository, tmp_path):
    (tmp_path / "changed.py").write_text("")
    (tmp_path / "deleted.py").unlink()
    (tmp_path / "untracked.py").touch()
    (tmp_path / "ignored.py").touch()
    uncommitted = ["changed.py", "deleted.py", "untracked.py"]
    assert changed_files.list_changed_files("main") == sorted([*uncommitted, "new name.py", "renamed.py"])
    assert changed_files.list_changed_files("HEAD") == uncommitted
    assert sorted(changed_files.read_sources()) == ["changed.py", "kept.py", "new name.py", "untracked.py"]


def test_commits_of_the_base_are_not_changes(repository):
    repository("checkout", "main")
    repository("rm", "kept.py")
    repository("commit", "-m", "third")
    repository("checkout", "topic")
    assert changed_files.list_changed_files("main") == ["new name.py", "renamed.py"]


def test_unknown_reference_is_one_error_line(repository, capsys):
    assert run_tests.main(["--changed=no-such-branch"]) == 2
    assert capsys.readouterr().err == (
        "scripts/test: error: --changed=no-such-branch: fatal: Not a valid object name no-such-branch\n"
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--changed", "--require-all"], "--changed leaves tests out, which --require-all does not allow"),
        (["--changed", "tests/relay"], "--changed selects the test files itself; leave out tests/relay"),
        (["--changed="], "--changed=: a REF is missing"),
        (["--no-lint=yes"], "--no-lint=yes: --no-lint has no value"),
    ],
)
def test_contradictory_arguments_are_refused(capsys, arguments, error):
    assert run_tests.main(arguments) == 2
    assert capsys.readouterr().err == f"scripts/test: error: {error}\n"


@pytest.fixture
def run_with_selection(monkeypatch, capsys):
    """Runs scripts/test with a given selection and without real suites. Returns pytest's arguments and the output."""

    def run(selection: Selection, *argv: str) -> tuple[dict[str, tuple[str, ...]], list[str]]:
        ran: dict[str, tuple[str, ...]] = {}

        def run_suite(suite, arguments):
            ran[suite.name] = arguments
            return SuiteOutcome(name=suite.name, seconds=1, passed=5)

        monkeypatch.setattr(changed_files, "select_tests", lambda _changed, _sources: selection)
        monkeypatch.setattr(changed_files, "list_changed_files", lambda _base: ["relay/merge.py"])
        monkeypatch.setattr(run_tests, "ensure_installed", lambda _program: None)
        monkeypatch.setattr(run_tests, "COMMAND_SUITES", {"lint": [["true"]], "scripts/demo --check": [["true"]]})
        monkeypatch.setattr(run_tests, "write_bytecode", lambda _runs: None)
        monkeypatch.setattr(run_tests, "run_pytest_suite", run_suite)
        assert run_tests.main(argv) == 0
        return ran, capsys.readouterr().out.splitlines()

    return run


TWO_OF_NINE = Selection(files=("tests/component/test_a.py", "tests/relay/test_b.py"), total=9)


def test_selected_files_run_in_their_suites_and_what_is_left_out_is_listed(run_with_selection):
    ran, output = run_with_selection(TWO_OF_NINE, "--changed")
    assert {name: arguments[-1] for name, arguments in ran.items()} == {
        "tests/component": "tests/component/test_a.py",
        "all other tests": "tests/relay/test_b.py",
    }
    assert output[:5] == [
        "changed since the merge base with main: 1 files",
        "  relay/merge.py",
        "selected test files: 2 of 9 (7 left out)",
        "  tests/component/test_a.py",
        "  tests/relay/test_b.py",
    ]
    assert output[-5:-2] == [
        "skipped:",
        "  scripts/demo --check: skipped by --changed",
        "  7 test files: not affected by the changes",
    ]


def test_pytest_arguments_apply_to_the_selected_files_alone(run_with_selection):
    ran, output = run_with_selection(TWO_OF_NINE, "--changed=v1", "-x")
    assert ran["all other tests"] == ("-x", "tests/relay/test_b.py")
    assert output[0] == "changed since the merge base with v1: 1 files"
    assert "lint" not in "\n".join(output)


def test_everything_runs_if_everything_is_affected(run_with_selection):
    everything = Selection(files=("tests/relay/test_b.py",), total=1, reason_for_all="uv.lock affects every test")
    ran, output = run_with_selection(everything, "--changed")
    assert ran["all other tests"] == run_tests.select_runs(run_tests.PytestArguments())[1][1]
    assert output[2] == "running everything: uv.lock affects every test"
    assert output[-1] == "12 passed, 0 failed, 0 skipped"
