"""Programs that tests need besides Python packages. They are installed from Debian's packages if permitted."""

import os
import shutil
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A program: its title, its possible names on PATH, and its Debian package."""

    title: str
    names: tuple[str, ...]
    package: str

    @property
    def install_hint(self) -> str:
        """How to install the program."""
        return f"install Debian's package {self.package} or put {self.title} on PATH"


# For browser tests, and the demo's screenshot and sign-in check. The shell without windows needs half the CPU time.
CHROMIUM = Program(
    title="Chromium",
    names=("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"),
    package="chromium-headless-shell",
)
# For the fault test, which sets the clock of the relay's processes.
FAKETIME = Program(title="faketime", names=("faketime",), package="faketime")
# For the tests of Redis notifications.
REDIS = Program(title="redis-server", names=("redis-server",), package="redis-server")


def ensure_installed(program: Program) -> str | None:
    """Ensure that a program is installed, if necessary as root from its Debian package.

    Returns None, or the reason why it is not installed.
    """
    if any(shutil.which(name) for name in program.names):
        return None
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return f"{program.title} is not installed; {program.install_hint}"
    print(f"==> {program.title}: installing Debian's package (once, as root)", flush=True)
    for command in ("install", "update", "install"):  # package lists may be empty on a new machine
        if _run_apt_get(apt, command, program.package) and command == "install":
            return None
    return f"Debian's package {program.package} could not be installed; {program.install_hint}"


def _run_apt_get(apt: str, command: str, package: str) -> bool:
    """Run an apt-get command. Returns whether it succeeded."""
    arguments = ("-y", "--no-install-recommends", package) if command == "install" else ()
    done = subprocess.run(  # noqa: S603 - the system's apt-get, with constant arguments
        [apt, "-qq", "-o", "DPkg::Lock::Timeout=120", command, *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode == 0
