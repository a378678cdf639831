import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "demo", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("name", ["home-assistant", "relay", "simulator"])
def test_busy_port_prints_one_line_and_exits_with_2(tmp_path, name):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = run_demo("--state", str(tmp_path / "demo"), f"--{name}-port", str(port))
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert f"port {port} for the {name} is in use" in result.stderr


def test_foreign_folder_prints_one_line_and_exits_with_2(tmp_path):
    (tmp_path / "thesis.txt").touch()
    result = run_demo("--fresh", "--state", str(tmp_path))
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "choose another --state" in result.stderr
    assert (tmp_path / "thesis.txt").exists()


def test_check_refuses_an_existing_state_folder(tmp_path):
    (tmp_path / "evconduit-demo.json").write_text('{"layout": 1}', "utf-8")
    result = run_demo("--check", "--state", str(tmp_path))
    assert result.returncode == 2
    assert "--fresh" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--speed", "0"), ("--speed", "fast"), ("--relay-port", "70000"), ("--screenshot", "x.png"), ("--chek",)],
)
def test_invalid_options_exit_with_2(arguments):
    result = run_demo(*arguments)
    assert result.returncode == 2
    assert "usage: scripts/demo" in result.stderr


def test_help_explains_how_to_control_a_car():
    result = run_demo("--help")
    assert result.returncode == 0
    assert "/_sim/vehicles/ID" in result.stdout
    assert "--check" in result.stdout
