"""Programs that tests want and Python's packages do not bring: Debian's package is installed where we may."""

import os
import shutil
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What it is called, under which names it may be on PATH, and in which package of Debian's it is."""

    title: str
    names: tuple[str, ...]
    package: str

    @property
    def install_hint(self) -> str:
        """What a person can do to have it."""
        return f"install Debian's package {self.package} or put a {self.title} on PATH"


# For the tests that look at pages, and for the demo: its picture and its signing in.
CHROMIUM = Program(title="Chromium", names=("chromium", "chromium-browser", "google-chrome"), package="chromium")
# For the tests of wake-ups through Redis.
REDIS = Program(title="redis-server", names=("redis-server",), package="redis-server")


def ensure_installed(program: Program) -> str | None:
    """Makes sure that there is one, by Debian's package where we may; None, or why there is none."""
    if any(shutil.which(name) for name in program.names):
        return None
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return f"{program.title} is not installed; {program.install_hint}"
    print(f"==> {program.title}: installing Debian's package (once; we are root, so nobody is asked)", flush=True)
    for command in ("install", "update", "install"):  # a fresh machine's lists of packages are empty
        if _run_apt_get(apt, command, program.package) and command == "install":
            return None
    return f"Debian's package {program.package} could not be installed; {program.install_hint}"


def _run_apt_get(apt: str, command: str, package: str) -> bool:
    """Whether apt-get did it."""
    what = ("-y", "--no-install-recommends", package) if command == "install" else ()
    done = subprocess.run(  # noqa: S603 - the machine's own apt-get, and nothing of a caller's in its arguments
        [apt, "-qq", "-o", "DPkg::Lock::Timeout=120", command, *what],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode == 0
