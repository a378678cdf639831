"""scripts/test sends a caller's arguments to the pytest run they belong to."""

from pathlib import Path

import pytest

from scripts.lib.suites import COMPONENT, REST, route, understand
from tests.architecture.tree import ROOT

COMPONENT_ALONE = ("-c", "tests/component/pytest.ini", "--rootdir", ".")


def routed(*arguments: str, caller: Path = ROOT) -> dict[str, tuple[str, ...]]:
    return {run.name: its_arguments for run, its_arguments in route(understand(arguments, caller))}


def test_without_arguments_both_run():
    assert routed() == {COMPONENT.name: (*COMPONENT_ALONE, "tests/component"), REST.name: REST.whole}


@pytest.mark.parametrize(
    "arguments", [("-x",), ("-k", "meter"), ("-m", "slow", "-v"), ("-k", "tests/relay"), ("--maxfail=2",)]
)
def test_options_alone_go_to_both(arguments):
    assert routed(*arguments) == {
        COMPONENT.name: (*COMPONENT_ALONE, *arguments, "tests/component"),
        REST.name: arguments,
    }


def test_paths_go_to_the_run_they_belong_to():
    assert routed("tests/relay", "-k", "meter") == {REST.name: ("-k", "meter", "tests/relay")}
    assert routed("tests/component/test_init.py::test_x[a::b]") == {
        COMPONENT.name: (*COMPONENT_ALONE, "tests/component/test_init.py::test_x[a::b]")
    }


def test_paths_of_both_are_parted():
    assert routed("-x", "tests/component", "tests/relay", "tests/demo/enode") == {
        COMPONENT.name: (*COMPONENT_ALONE, "-x", "tests/component"),
        REST.name: ("-x", "tests/relay", "tests/demo/enode"),
    }


def test_all_of_tests_is_both():
    assert routed("tests/") == routed("tests") == routed()


def test_a_path_may_be_given_from_where_the_caller_stands():
    assert routed("kit", "-x", caller=ROOT / "tests" / "relay") == {REST.name: ("-x", "tests/relay/kit")}
    assert routed(str(ROOT / "tests" / "relay"), caller=Path("/")) == {REST.name: ("tests/relay",)}


def test_a_path_that_is_not_there_is_left_to_pytest_to_complain_about():
    assert routed("tests/relay/test_tpyo.py") == {REST.name: ("tests/relay/test_tpyo.py",)}


def test_a_folder_beside_the_component_tests_is_not_theirs():
    assert set(routed("tests/component_of_another_kind")) == {REST.name}


def test_a_value_that_is_also_a_folder_stays_a_value():
    arguments = ("--deselect", "tests/relay/test_cli.py::test_x", "-p", "tests")
    assert routed(*arguments)[REST.name] == arguments
