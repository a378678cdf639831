"""scripts/mutate: what it selects, how it judges, what it prints."""

import json
import subprocess
import sys

import pytest

from scripts.lib.mutation import pairs as pairs_module
from scripts.lib.mutation import pytest_server
from scripts.lib.mutation.changed import find_functions, parse_hunks
from scripts.lib.mutation.command import main, parse_arguments
from scripts.lib.mutation.decorators import lift_decorators
from scripts.lib.mutation.pairs import PairError, PairMutant, PairOutcome, mutate_text
from scripts.lib.mutation.pytest_options import COMPONENT, RELAY
from scripts.lib.mutation.report import Verdict, is_successful, judge, quote, render_report
from scripts.lib.mutation.selection import expand_globs, plan_runs, select_changed, select_named
from scripts.lib.mutation.tables import AcceptedRow, ModuleRow, Mutant
from scripts.lib.mutation.tool import (
    ToolRun,
    diff_lines,
    list_patterns,
    mangle,
    read_mutants,
    render_settings,
    unmangle,
)

ROWS = (
    ModuleRow(modules=("relay/feed/cursor.py", "relay/feed/messages.py"), tests=("tests/relay/feed",)),
    ModuleRow(modules=("relay/plans.py",), tests=("tests/relay/test_*.py",), with_database=True),
    ModuleRow(modules=("custom_components/evconduit/client/sse.py",), tests=("tests/component/test_sse.py",)),
)
PAIR = PairMutant(file="relay/feed/cursor.py", old="<", new="<=", note="an edge", tests=("tests/relay/feed",))


def create_mutant(status: str, *diff: str) -> Mutant:
    return Mutant(module="relay/feed/cursor.py", function="parse_cursor", name="n", status=status, diff=diff)


def test_properties_and_callbacks_become_assignments():
    source = (
        "class Thing:\n"
        "    @property\n"
        "    def name(self):\n"
        "        return 1\n"
        "\n"
        "    @callback\n"
        "    @override\n"
        "    async def run(self): ...\n"
        "\n"
        "    @staticmethod\n"
        "    def make(): ...\n"
        "\n"
        "@router.get('/')\n"
        "def route(): ...\n"
    )
    assert lift_decorators(source) == (
        "class Thing:\n"
        "    def name(self):\n"
        "        return 1\n"
        "    name = property(name)\n"
        "\n"
        "    async def run(self): ...\n"
        "    run = callback(run)\n"
        "\n"
        "    @staticmethod\n"
        "    def make(): ...\n"
        "\n"
        "@router.get('/')\n"
        "def route(): ...\n"
    )


def test_lines_of_a_diff_without_context_are_found():
    diff = "@@ -3 +3 @@ x\n-a\n+b\n@@ -10,0 +11,2 @@\n+c\n+d\n@@ -20,2 +22,0 @@\n-e\n-f\n"
    assert parse_hunks(diff) == {3, 11, 12, 22, 23}


def test_functions_and_methods_are_found_by_line():
    source = "X = 1\n\ndef f():\n    return 1\n\nclass C:\n    @property\n    def g(self):\n        return 2\n"
    assert find_functions(source, {1}) == set()
    assert find_functions(source, {4, 7}) == {"f", "C.g"}


def test_a_row_without_a_database_leaves_tests_with_one_out():
    plain, with_database, component = plan_runs(ROWS)
    assert plain.options == ("-p", "scripts.lib.mutation.no_database")
    assert (with_database.options, component.options) == ((), ())
    assert (plain.group, component.group) == (RELAY, COMPONENT)


def test_a_pattern_without_files_is_an_error():
    with pytest.raises(ValueError, match="no file matches relay/no_such"):
        expand_globs(["relay/no_such_*.py"])


def test_modules_folders_and_functions_can_be_named():
    runs = plan_runs(ROWS)
    by_folder = select_named(runs, [PAIR], ["relay/feed/"])
    assert [run.modules for run in by_folder.runs] == [("relay/feed/cursor.py", "relay/feed/messages.py")]
    assert by_folder.pairs == (PAIR,)
    by_function = select_named(runs, [PAIR], ["relay/feed/cursor.py::parse_cursor"])
    assert [run.functions for run in by_function.runs] == [frozenset({("relay/feed/cursor.py", "parse_cursor")})]
    assert by_function.pairs == ()
    assert select_named(runs, [PAIR], ["relay/fee"]).runs == ()


def test_changed_functions_and_pairs_of_changed_files_are_selected():
    selection = select_changed(
        plan_runs(ROWS),
        [PAIR],
        {"relay/feed/cursor.py", "relay/app.py"},
        {("relay/feed/cursor.py", "parse_cursor"), ("relay/app.py", "create_app")},
    )
    assert [(run.modules, run.functions) for run in selection.runs] == [
        (("relay/feed/cursor.py",), frozenset({("relay/feed/cursor.py", "parse_cursor")}))
    ]
    assert selection.pairs == (PAIR,)
    assert selection.left_out[0] == "changed, but in no table of tests/mutation: relay/app.py"


@pytest.mark.parametrize("function", ["parse_cursor", "Cursor.render"])
def test_names_of_functions_survive_the_tool(function):
    assert unmangle(mangle(function)) == function


def test_only_the_named_functions_are_given_to_the_tool():
    run = ToolRun(modules=("relay/feed/cursor.py",), tests=("tests/relay/feed",), group=RELAY)
    assert list_patterns(run) == ["relay.feed.cursor.x*"]
    functions = frozenset({("relay/feed/cursor.py", "parse_cursor")})
    restricted = ToolRun(modules=run.modules, tests=run.tests, group=RELAY, functions=functions)
    assert list_patterns(restricted) == ["relay.feed.cursor.x_parse_cursor*"]
    assert 'source_paths = ["relay"]' in render_settings(run)


def test_mutants_are_read_with_their_diffs(tmp_path):
    folder = tmp_path / "mutants" / "relay"
    folder.mkdir(parents=True)
    (folder / "a.py").write_text("def x_f__mutmut_orig():\n    return 1\ndef x_f__mutmut_1():\n    return 2\n")
    (folder / "a.py.spans").write_text(json.dumps({"spans": {"x_f__mutmut_orig": [1, 2], "x_f__mutmut_1": [3, 4]}}))
    (folder / "a.py.meta").write_text(json.dumps({"exit_code_by_key": {"relay.a.x_f__mutmut_1": 0}}))
    [mutant] = read_mutants(tmp_path, "relay/a.py", None)
    assert (mutant.function, mutant.status, mutant.old, mutant.new) == ("f", "survived", "return 1", "return 2")
    assert list(read_mutants(tmp_path, "relay/a.py", frozenset({("relay/a.py", "g")}))) == []
    assert list(read_mutants(tmp_path, "relay/b.py", None)) == []


def test_diffs_show_a_line_of_context():
    assert diff_lines(["a", "b", "c", "d"], ["a", "b", "x", "d"]) == (" b", "-c", "+x", " d")


def test_an_accepted_mutant_is_recognised_by_its_change():
    row = AcceptedRow(
        module="relay/feed/cursor.py", function="parse_cursor", old="return 1", new="return 2", reason="they are equal"
    )
    alive = create_mutant("survived", "-    return 1", "+    return 2")
    other = create_mutant("no tests", "-    return 1", "+    return 3")
    verdict = judge([alive, other, create_mutant("killed", "-a", "+b")], [row])
    assert (verdict.accepted, verdict.survivors, verdict.obsolete) == ((alive,), (other,), ())
    assert verdict.percent == 50.0
    killed = create_mutant("killed", "-    return 1", "+    return 2")
    assert judge([killed], [row]).obsolete == (row,)


@pytest.mark.parametrize(("killed", "is_enough"), [(90, True), (89, False)])
def test_nine_of_ten_mutants_must_be_killed(killed, is_enough):
    mutants = [create_mutant("killed" if number < killed else "survived") for number in range(100)]
    assert is_successful(judge(mutants, []), []) is is_enough


@pytest.mark.parametrize(
    ("status", "is_enough"),
    [("killed", True), ("timeout", True), ("survived", False), ("invalid", False), ("unproven", False)],
)
def test_each_pair_must_be_killed(status, is_enough):
    nothing = Verdict(mutants=(), survivors=(), accepted=())
    assert is_successful(nothing, [PairOutcome(pair=PAIR, status=status)]) is is_enough


def test_report_has_survivors_with_the_row_that_accepts_them_and_a_table():
    mutant = create_mutant("survived", '-    return "1"', '+    return "2"')
    lines = render_report(judge([mutant], []), [PairOutcome(pair=PAIR, status="survived")])
    assert "  repeat: scripts/mutate relay/feed/cursor.py::parse_cursor" in lines
    assert "      old='return \"1\"'," in lines
    assert "relay/feed/cursor.py: an edge  (survived)" in lines
    assert [line.split() for line in lines if line.startswith("all ")] == [["all", "1", "0", "1", "0", "0.0"]] * 2


@pytest.mark.parametrize("text", ["plain", 'with "quotes"', "it's", "two\nlines"])
def test_literals_in_the_report_have_the_value_of_the_text(text):
    assert eval(quote(text)) == text  # noqa: S307 - a literal


@pytest.mark.parametrize(("text", "count"), [("a", 0), ("a < b < c", 2)])
def test_a_pair_must_fit_exactly_once(text, count):
    with pytest.raises(PairError, match=f"occurs {count} times"):
        mutate_text(text, PAIR)


def run_server(folder, **request) -> dict[str, object]:
    request = {"arguments": ["-q", "-p", "no:cacheprovider", "."], "log": str(folder / "log"), "timeout": 60} | request
    done = subprocess.run(
        [sys.executable, "-P", pytest_server.__file__],
        cwd=folder,
        input=json.dumps(request),
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("pass", {"status": 0, "failed": [], "invalid": None}),
        ("assert 0", {"status": 1, "failed": ["test_it.py::test_it"], "invalid": None}),
        (
            "raise RuntimeError('psycopg.errors.SyntaxError')",
            {"status": 1, "failed": ["test_it.py::test_it"], "invalid": "SyntaxError"},
        ),
    ],
)
def test_server_answers_with_the_tests_that_failed(tmp_path, body, answer):
    (tmp_path / "test_it.py").write_text(f"def test_it():\n    {body}\n")
    assert run_server(tmp_path) == answer


def test_server_stops_tests_that_take_too_long(tmp_path):
    (tmp_path / "test_it.py").write_text("import time\ndef test_it():\n    time.sleep(600)\n")
    assert run_server(tmp_path, timeout=1)["status"] is None


class StubServer:
    """Answers that these tests fail without a pair."""

    def __init__(self, *failed: str) -> None:
        self.failed = list(failed)

    def run_tests(self, _tests) -> dict[str, object]:
        return {"status": 1 if self.failed else 0, "failed": self.failed, "invalid": None}


def test_a_test_that_also_fails_without_the_pair_kills_nothing():
    outcomes = [PairOutcome(pair=PAIR, status="killed", detail=name) for name in ("a", "b")]
    checked = pairs_module._check_killers(outcomes, StubServer("a"))
    assert [outcome.status for outcome in checked] == ["unproven", "killed"]
    assert pairs_module._check_killers(outcomes, StubServer()) == outcomes


def test_unknown_modules_and_contradicting_options_are_refused(capsys):
    assert main(["relay/no_such_module.py"]) == 2
    for arguments in (["--changed", "relay"], ["--workers", "0"], ["--pairs-only", "--tool-only"]):
        with pytest.raises(SystemExit):
            parse_arguments(arguments)
    assert "nothing to mutate" in capsys.readouterr().out
