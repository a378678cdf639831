"""scripts/test passes arguments to the pytest run they belong to."""

from pathlib import Path

import pytest

from scripts.lib.suites import (
    COMPONENT_RUN,
    IN_PARALLEL,
    MAIN_RUN,
    MIN_PATHS_FOR_WORKERS,
    parse_arguments,
    select_runs,
)
from tests.architecture.tree import ROOT

COMPONENT_ALONE = ("-c", "tests/component/pytest.ini", "--rootdir", ".")


def select(*arguments: str, caller: Path = ROOT) -> dict[str, tuple[str, ...]]:
    return {run.name: run_arguments for run, run_arguments in select_runs(parse_arguments(arguments, caller))}


def test_no_arguments_select_both_runs_with_several_workers():
    assert select() == {
        COMPONENT_RUN.name: (*COMPONENT_ALONE, *IN_PARALLEL, "tests/component"),
        MAIN_RUN.name: IN_PARALLEL,
    }


def test_full_sizes_are_required_of_the_main_run_only():
    arguments = parse_arguments(["-x"], ROOT)
    assert dict(select_runs(arguments, require_all=True)) == {
        COMPONENT_RUN: (*COMPONENT_ALONE, "-x", "tests/component"),
        MAIN_RUN: ("--full", "-x"),
    }


@pytest.mark.parametrize(
    "arguments", [("-x",), ("-k", "meter"), ("-m", "slow", "-v"), ("-k", "tests/relay"), ("--maxfail=2",)]
)
def test_options_without_paths_select_both_runs(arguments):
    assert select(*arguments) == {
        COMPONENT_RUN.name: (*COMPONENT_ALONE, *arguments, "tests/component"),
        MAIN_RUN.name: arguments,
    }


def test_paths_select_their_run():
    assert select("tests/relay", "-k", "meter") == {MAIN_RUN.name: ("-k", "meter", "tests/relay")}
    assert select("tests/component/test_init.py::test_x[a::b]") == {
        COMPONENT_RUN.name: (*COMPONENT_ALONE, "tests/component/test_init.py::test_x[a::b]")
    }


def test_paths_of_both_runs_are_split():
    assert select("-x", "tests/component", "tests/relay", "tests/demo/enode") == {
        COMPONENT_RUN.name: (*COMPONENT_ALONE, "-x", "tests/component"),
        MAIN_RUN.name: ("-x", "tests/relay", "tests/demo/enode"),
    }


def test_many_files_use_several_workers_unless_there_are_options():
    files = [f"tests/relay/test_{number}.py" for number in range(MIN_PATHS_FOR_WORKERS)]
    assert select(*files)[MAIN_RUN.name] == (*IN_PARALLEL, *files)
    assert select(*files[1:])[MAIN_RUN.name] == tuple(files[1:])
    assert select("-x", *files)[MAIN_RUN.name] == ("-x", *files)


def test_tests_folder_selects_both_runs():
    assert select("tests/") == select("tests") == select()


def test_paths_are_resolved_from_the_callers_folder():
    assert select("kit", "-x", caller=ROOT / "tests" / "relay") == {MAIN_RUN.name: ("-x", "tests/relay/kit")}
    assert select(str(ROOT / "tests" / "relay"), caller=Path("/")) == {MAIN_RUN.name: ("tests/relay",)}


def test_missing_path_is_passed_to_pytest():
    assert select("tests/relay/test_tpyo.py") == {MAIN_RUN.name: ("tests/relay/test_tpyo.py",)}


def test_folder_with_similar_name_is_not_a_component_test():
    assert set(select("tests/component_of_another_kind")) == {MAIN_RUN.name}


def test_option_value_that_looks_like_a_path_stays_a_value():
    arguments = ("--deselect", "tests/relay/test_cli.py::test_x", "-p", "tests")
    assert select(*arguments)[MAIN_RUN.name] == arguments
