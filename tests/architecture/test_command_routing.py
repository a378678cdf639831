"""scripts/test sends a caller's arguments to the pytest run they belong to."""

from pathlib import Path

import pytest

from scripts.lib.suites import COMPONENT_RUN, MAIN_RUN, parse_arguments, select_runs
from tests.architecture.tree import ROOT

COMPONENT_ALONE = ("-c", "tests/component/pytest.ini", "--rootdir", ".")


def select(*arguments: str, caller: Path = ROOT) -> dict[str, tuple[str, ...]]:
    return {run.name: its_arguments for run, its_arguments in select_runs(parse_arguments(arguments, caller))}


def test_without_arguments_both_run():
    assert select() == {
        COMPONENT_RUN.name: (*COMPONENT_ALONE, "tests/component"),
        MAIN_RUN.name: MAIN_RUN.full_run_options,
    }


@pytest.mark.parametrize(
    "arguments", [("-x",), ("-k", "meter"), ("-m", "slow", "-v"), ("-k", "tests/relay"), ("--maxfail=2",)]
)
def test_options_alone_go_to_both(arguments):
    assert select(*arguments) == {
        COMPONENT_RUN.name: (*COMPONENT_ALONE, *arguments, "tests/component"),
        MAIN_RUN.name: arguments,
    }


def test_paths_go_to_the_run_they_belong_to():
    assert select("tests/relay", "-k", "meter") == {MAIN_RUN.name: ("-k", "meter", "tests/relay")}
    assert select("tests/component/test_init.py::test_x[a::b]") == {
        COMPONENT_RUN.name: (*COMPONENT_ALONE, "tests/component/test_init.py::test_x[a::b]")
    }


def test_paths_of_both_are_parted():
    assert select("-x", "tests/component", "tests/relay", "tests/demo/enode") == {
        COMPONENT_RUN.name: (*COMPONENT_ALONE, "-x", "tests/component"),
        MAIN_RUN.name: ("-x", "tests/relay", "tests/demo/enode"),
    }


def test_all_of_tests_is_both():
    assert select("tests/") == select("tests") == select()


def test_a_path_may_be_given_from_where_the_caller_stands():
    assert select("kit", "-x", caller=ROOT / "tests" / "relay") == {MAIN_RUN.name: ("-x", "tests/relay/kit")}
    assert select(str(ROOT / "tests" / "relay"), caller=Path("/")) == {MAIN_RUN.name: ("tests/relay",)}


def test_a_path_that_is_not_there_is_left_to_pytest_to_complain_about():
    assert select("tests/relay/test_tpyo.py") == {MAIN_RUN.name: ("tests/relay/test_tpyo.py",)}


def test_a_folder_beside_the_component_tests_is_not_theirs():
    assert set(select("tests/component_of_another_kind")) == {MAIN_RUN.name}


def test_a_value_that_is_also_a_folder_stays_a_value():
    arguments = ("--deselect", "tests/relay/test_cli.py::test_x", "-p", "tests")
    assert select(*arguments)[MAIN_RUN.name] == arguments
