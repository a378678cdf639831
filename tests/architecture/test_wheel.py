"""What `pip install` would bring: the relay with its pages and its database, and nothing of the tests."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, tracked

UV = Path(sys.executable).parent / "uv"  # Home Assistant brings one, so the lock says which


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in the wheel."""
    out: Path = tmp_path_factory.mktemp("wheel")
    environment = {"UV_SYSTEM_CERTS": "true", **os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    built = subprocess.run(
        [UV, "build", "--wheel", "--quiet", "--out-dir", out, "--python", sys.executable],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    [wheel] = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


def test_the_wheel_has_every_page(names):
    assert {f"relay/{path.as_posix()}" for path in tracked("web/*")} <= names


def test_the_wheel_has_every_migration_and_all_code(names):
    assert {path.as_posix() for path in tracked("relay/*") if "__pycache__" not in path.parts} <= names


def test_the_wheel_has_the_command_and_the_licence(names):
    inside = {name.partition(".dist-info/")[2] for name in names}
    assert {"entry_points.txt", "licenses/LICENSE"} <= inside


def test_the_wheel_has_nothing_else(names):
    assert [name for name in names if not name.startswith(("relay/", "evconduit_relay-"))] == []
