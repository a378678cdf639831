"""The tables of tests/mutation still fit the code that they name."""

import ast

import pytest

from scripts.lib.mutation.decorators import lift_decorators
from scripts.lib.mutation.pairs import list_pairs, mutate_text
from scripts.lib.mutation.selection import expand_globs, plan_runs
from scripts.lib.mutation.tables import AcceptedRow
from tests.architecture.tree import ROOT
from tests.mutation.accepted import ACCEPTED
from tests.mutation.modules import MODULES
from tests.mutation.pairs import PAIRS

PAIR_ROWS = list_pairs(PAIRS)


def find_function(module: str, function: str) -> ast.AST | None:
    """The function `name` or `Class.name` of a module."""
    node: ast.AST | None = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    for name in function.split("."):
        node = next((child for child in getattr(node, "body", ()) if getattr(child, "name", None) == name), None)
    return node


def find_lines(row: AcceptedRow) -> set[str]:
    """The lines of the function that a row names, without indentation."""
    function = find_function(row.module, row.function)
    assert function is not None, row
    lines = (ROOT / row.module).read_text(encoding="utf-8").splitlines()[function.lineno - 1 : function.end_lineno]
    return {line.strip() for line in lines}


def test_each_row_of_the_modules_names_existing_files():
    runs = plan_runs(MODULES)
    assert all((ROOT / path).exists() for run in runs for path in (*run.modules, *run.tests))


def test_each_function_that_a_row_names_exists():
    named = [item for run in plan_runs(MODULES) for item in run.functions or ()]
    assert [item for item in named if find_function(*item) is None] == []


def test_no_module_is_in_two_rows():
    modules = [module for run in plan_runs(MODULES) for module in run.modules]
    assert sorted(modules) == sorted(set(modules))


def test_modules_are_valid_after_their_decorators_are_lifted():
    for run in plan_runs(MODULES):
        for module in run.modules:
            ast.parse(lift_decorators((ROOT / module).read_text(encoding="utf-8")))


@pytest.mark.parametrize("table", PAIRS, ids=lambda table: table.file)
def test_each_pair_changes_one_place_of_its_file_to_something_valid(table):
    source = (ROOT / table.file).read_text(encoding="utf-8")
    for pair in list_pairs([table]):
        ast.parse(mutate_text(source, pair))


def test_each_pair_is_judged_by_existing_tests():
    expand_globs({test for pair in PAIR_ROWS for test in pair.tests})


def test_no_pair_is_listed_twice():
    changes = [(pair.file, pair.old, pair.new) for pair in PAIR_ROWS]
    assert len(changes) == len(set(changes))


def test_each_accepted_pair_has_a_reason():
    assert [pair.title for pair in PAIR_ROWS if pair.accepted is not None and len(pair.accepted) < 20] == []


def test_each_accepted_mutant_changes_existing_lines():
    outdated = [row for row in ACCEPTED if not {line.strip() for line in row.old.splitlines()} <= find_lines(row)]
    assert outdated == []


def test_each_accepted_mutant_has_a_reason():
    assert [row for row in ACCEPTED if len(row.reason) < 20] == []
