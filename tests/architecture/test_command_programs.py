"""scripts/test installs missing programs if permitted, and otherwise returns the reason."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from scripts.lib.programs import CHROMIUM, FAKETIME, REDIS, ensure_installed

# A fake of Debian's apt-get: installing fails until the package lists have been updated.
APT_GET = """#!/bin/sh
echo "$4" >> {log}
case $4 in
update) {update} ;;
install) [ -e {log}.fetched ] ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch):
    """Makes PATH contain only the given programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to("/bin/sh")
    (folder / "touch").symlink_to(shutil.which("touch") or "/usr/bin/touch")
    monkeypatch.setenv("PATH", str(folder))

    def build(*, root: bool, apt: str | None = None, program: str | None = None) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
        for name, content in (("apt-get", apt), (program, "#!/bin/sh\n")):
            if name and content:
                (folder / name).write_text(content)
                (folder / name).chmod((folder / name).stat().st_mode | stat.S_IXUSR)

    return build


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "apt.log"


def build_apt_get(log: Path, *, online: bool = True) -> str:
    return APT_GET.format(log=log, update=f"touch {log}.fetched" if online else "exit 100")


@pytest.mark.parametrize(
    ("required", "name"), [(program, name) for program in (CHROMIUM, FAKETIME, REDIS) for name in program.names]
)
def test_installed_program_is_not_installed_again(machine, log, required, name):
    machine(root=True, apt=build_apt_get(log), program=name)
    assert ensure_installed(required) is None
    assert not log.exists()


def test_root_on_debian_installs_the_package(machine, log):
    machine(root=True, apt=build_apt_get(log))
    assert ensure_installed(CHROMIUM) is None
    assert log.read_text().split() == ["install", "update", "install"]


def test_ordinary_user_installs_nothing(machine, log):
    machine(root=False, apt=build_apt_get(log))
    assert ensure_installed(CHROMIUM) == f"Chromium is not installed; {CHROMIUM.install_hint}"
    assert not log.exists()


def test_without_apt_nothing_is_installed(machine):
    machine(root=True)
    assert ensure_installed(CHROMIUM) == f"Chromium is not installed; {CHROMIUM.install_hint}"


def test_failed_installation_returns_the_reason(machine, log):
    machine(root=True, apt=build_apt_get(log, online=False))
    assert (
        ensure_installed(CHROMIUM)
        == f"Debian's package {CHROMIUM.package} could not be installed; {CHROMIUM.install_hint}"
    )
