"""The setup of the commands: finding tools, environment state and locking."""

import os
import pwd
import resource
import select
import stat
import subprocess
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT


@pytest.fixture
def bash(tmp_path):
    """Runs bash with setup.sh sourced, in a clean environment with `bin` first on PATH."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "home").mkdir()

    def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        full = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "HOME": f"{tmp_path}/home", **environment}
        command = ["bash", "-c", f". {ROOT}/scripts/lib/setup.sh\n{script}"]
        return subprocess.run(command, cwd=tmp_path, env=full, capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.fixture
def program(tmp_path):
    """Writes a program to a folder on that PATH."""

    def write(name: str, body: str, folder: str = "bin") -> Path:
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write


@pytest.mark.parametrize(("version", "status"), [("0.9.27", 1), ("0.13.8", 1), ("0.13.9", 0), ("1.0.0", 0)])
def test_old_uv_is_ignored(bash, program, version, status):
    uv = program("uv", f'echo "uv {version} (somewhere)"')
    assert bash(f"is_new_enough {uv}").returncode == status


def test_unsuitable_shim_is_ignored(bash, program, tmp_path):
    program("uv", 'echo "pyenv: version 3.14 is not installed" >&2; exit 127')
    real = program("uv", 'echo "uv 99.0.0"', folder="an other")
    assert bash("find_uv", PATH=f"{tmp_path}/bin:{tmp_path}/an other:/usr/bin:/bin").stdout == str(real)


def test_downloaded_uv_is_preferred(bash, program):
    program("uv", 'echo "uv 99.0.0"')
    ours = program("uv", 'echo "uv 98.0.0"', folder="home/.cache/evconduit/uv/bin")
    assert bash("find_uv").stdout == str(ours)


def test_python_that_does_not_run_is_ignored(bash, program):
    broken = program("python3", "exit 127")
    assert bash("find_any_python").stdout not in {"", str(broken)}


def test_incomplete_interpreter_is_not_usable(bash, program):
    assert bash(f"is_usable {program('python3.14', 'exit 1')}").returncode != 0
    assert bash("is_usable /no/such/python").returncode != 0


def test_required_version_is_read_from_pyproject(bash):
    assert bash("required_python").stdout == "3.14.2\n"


def test_settings_of_other_pythons_are_unset(bash):
    output = bash("env", UV_PYTHON="3.9", VIRTUAL_ENV="/a/venv", PYTHONPATH="/a/path", PYTHONHOME="/a/home").stdout
    assert not {line.partition("=")[0] for line in output.splitlines()} & {
        "UV_PYTHON",
        "VIRTUAL_ENV",
        "PYTHONPATH",
        "PYTHONHOME",
    }


@pytest.mark.parametrize(
    ("given", "venv"),
    [
        ({}, f"{ROOT}/.venv"),
        ({"UV_PROJECT_ENVIRONMENT": "/a/venv"}, "/a/venv"),
        ({"UV_PROJECT_ENVIRONMENT": "v"}, f"{ROOT}/v"),
    ],
)
def test_environment_folder_is_the_one_of_uv(bash, given, venv):
    assert bash("venv_folder", **given).stdout == venv


@pytest.fixture
def ready_environment(tmp_path, program) -> dict[str, str]:
    """An environment that is set up for the present repository."""
    program("python", "exit 0", folder="venv/bin")
    return {"UV_PROJECT_ENVIRONMENT": f"{tmp_path}/venv"}


def test_second_run_is_quick_and_silent(bash, program, ready_environment, tmp_path):
    for name in ("uv", "curl", "apt-get", "pip"):
        program(name, f"touch {tmp_path}/was-called")
    assert bash("fingerprint > $UV_PROJECT_ENVIRONMENT/.evconduit-setup", **ready_environment).returncode == 0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = bash('evconduit_setup; echo "$VENV_PYTHON"', **ready_environment)
    assert (done.stdout, done.stderr) == (f"{tmp_path}/venv/bin/python\n", "")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5
    )  # the user's seconds, if not loaded
    assert not (tmp_path / "was-called").exists()


@pytest.mark.parametrize(
    "damage",
    [
        "echo other > $V/.evconduit-setup",
        "rm $V/.evconduit-setup",
        'echo "exit 1" >> $V/bin/python',
        "rm $V/bin/python",
    ],
)
def test_changed_or_broken_environment_is_not_ready(bash, ready_environment, damage, program):
    program("python", "", folder="venv/bin")
    script = (
        f"V=$UV_PROJECT_ENVIRONMENT; fingerprint > $V/.evconduit-setup; is_ready $V && {{ {damage}; ! is_ready $V; }}"
    )
    assert bash(script, **ready_environment).returncode == 0


def test_concurrent_runs_are_serialized(tmp_path):
    script = f". {ROOT}/scripts/lib/setup.sh; inside() {{ echo in; read -r; }}; with_lock inside"

    def start() -> subprocess.Popen[str]:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(["bash", "-c", script], env=environment, text=True, **pipes)

    with start() as first:
        assert first.stdout.readline() == "in\n"
        with start() as second:
            assert second.stderr.readline() == "==> waiting for another setup to finish\n"
            assert select.select([second.stdout], [], [], 0.2)[0] == []
            first.communicate("go on\n")
            assert second.stdout.readline() == "in\n"
            second.communicate("go on\n")


def test_later_commands_do_not_hold_the_lock(bash):
    assert bash("with_lock true; ls -l /proc/self/fd | grep -c evconduit/lock").stdout == "0\n"


def test_unwritable_cache_folder_prints_one_line(bash, tmp_path):
    (tmp_path / "file").touch()
    done = bash("with_lock true", XDG_CACHE_HOME=f"{tmp_path}/file")
    assert done.returncode == 1
    assert (
        done.stderr
        == f"error: cannot create the folder {tmp_path}/file/evconduit; set XDG_CACHE_HOME to a writable folder\n"
    )


@pytest.mark.parametrize("home", ["env -u HOME", "env HOME="], ids=["unset", "empty"])
def test_missing_home_is_replaced(bash, home):
    output = bash(f"{home} bash -c '. {ROOT}/scripts/lib/setup.sh; printf %s \"$HOME\"'").stdout
    assert output == pwd.getpwuid(os.getuid()).pw_dir
