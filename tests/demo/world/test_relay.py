"""The sign-in link of the running demo: `scripts/demo login`, and what the relay's pages say about it."""

import json

import pytest

from demo.world import cli, relay
from demo.world.errors import UserFixableError
from demo.world.state_folder import open_state_folder
from tests.demo.world.test_cli import run_demo

PORTS = {"relay": 8300, "simulator": 18400, "home-assistant": 8123}


@pytest.fixture
def evconduit(tmp_path, monkeypatch):
    """A program in place of `evconduit`, which prints its arguments and environment."""
    program = tmp_path / "evconduit"
    program.write_text('#!/bin/sh\necho "$* $EVCONDUIT_DATA $EVCONDUIT_PORT"\necho "It works once." >&2\n')
    program.chmod(0o755)
    monkeypatch.setattr(relay, "EVCONDUIT", str(program))
    return program


@pytest.fixture
def running_demo(tmp_path):
    with open_state_folder(tmp_path / "demo") as state:
        state.prepare(fresh=False)
        state.update(ports=PORTS, user_id="the-user")
        yield state


def test_login_asks_the_running_demos_relay_for_a_link(evconduit, running_demo):
    printed = relay.create_sign_in_link(running_demo.path)
    assert printed == (f"login --user the-user {running_demo.relay} 8300", "It works once.")


def test_login_prints_the_link_alone_to_standard_output_and_how_long_it_works(monkeypatch, capsys):
    monkeypatch.setattr(cli, "create_sign_in_link", lambda _folder: ("http://127.0.0.1/link", "It works once."))
    monkeypatch.setattr(cli, "adopt_orphans", lambda: None)  # this process is not the demo's
    assert cli.main(["login"]) == 0
    assert capsys.readouterr() == ("http://127.0.0.1/link\n", "It works once.\n")


def test_login_reports_why_the_relay_printed_no_link(evconduit, running_demo):
    evconduit.write_text("#!/bin/sh\necho broken >&2\nexit 2\n")
    with pytest.raises(UserFixableError, match="the relay printed no link: broken"):
        relay.create_sign_in_link(running_demo.path)


@pytest.mark.parametrize("state", [None, {"layout": 1}, {"layout": 1, "user_id": "the-user"}])
def test_login_without_a_running_demo_prints_one_line_and_creates_nothing(tmp_path, state):
    folder = tmp_path / "demo"
    if state is not None:
        folder.mkdir()
        (folder / "evconduit-demo.json").write_text(json.dumps(state), "utf-8")
    before = sorted(tmp_path.rglob("*"))
    result = run_demo("login", "--state", str(folder))
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert f"no demo runs in {folder}" in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_pages_of_the_demo_name_its_own_command_with_its_state_folder(running_demo, monkeypatch, tmp_path):
    command = relay.build_relay_environment(running_demo, PORTS)["EVCONDUIT_LOGIN_COMMAND"]
    assert command == f"scripts/demo login --state {running_demo.path}"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert relay.get_login_command(tmp_path / "evconduit-demo") == "scripts/demo login"
    assert relay.get_login_command(tmp_path / ("x" * 300)) == "scripts/demo login"
    assert relay.get_login_command(tmp_path / "a b") == f"scripts/demo login --state '{tmp_path}/a b'"
