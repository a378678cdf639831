"""The wheel contains the relay with its pages and migrations, and no tests."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, list_files

UV = Path(sys.executable).parent / "uv"  # a dependency of Home Assistant, so the lock pins it


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all files in a freshly built wheel."""
    folder: Path = tmp_path_factory.mktemp("wheel")
    environment = {"UV_SYSTEM_CERTS": "true", **os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    build = subprocess.run(
        [UV, "build", "--wheel", "--quiet", "--out-dir", folder, "--python", sys.executable],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert build.returncode == 0, build.stderr
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_contains_all_pages(names):
    assert {f"relay/{path.as_posix()}" for path in list_files("web/*")} <= names


def test_the_wheel_contains_the_reference_that_the_openapi_document_is_built_from(names):
    assert "relay/web/api.md" in names


def test_the_wheel_contains_all_code_and_migrations(names):
    assert {path.as_posix() for path in list_files("relay/*") if "__pycache__" not in path.parts} <= names


def test_the_wheel_contains_the_command_and_the_license(names):
    metadata = {name.partition(".dist-info/")[2] for name in names}
    assert {"entry_points.txt", "licenses/LICENSE"} <= metadata


def test_the_wheel_contains_nothing_else(names):
    assert [name for name in names if not name.startswith(("relay/", "evconduit_relay-"))] == []
