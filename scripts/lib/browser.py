"""A Chromium for the tests that look at pages, and for the demo's picture."""

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome")
HOW = "install Debian's package chromium or put a Chromium on PATH"


def ensure_chromium() -> str | None:
    """Makes sure that there is one, by Debian's package where we may; None, or why there is none."""
    if any(shutil.which(name) for name in NAMES):
        return None
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return f"Chromium is not installed; {HOW}"
    print("==> Chromium: installing Debian's package (once; we are root, so nobody is asked)", flush=True)
    for command in ("install", "update", "install"):  # a fresh machine's lists of packages are empty
        if _apt(apt, command) and command == "install":
            return None
    return f"Debian's package chromium could not be installed; {HOW}"


def _apt(apt: str, command: str) -> bool:
    """Whether apt-get did it."""
    what = ("-y", "--no-install-recommends", "chromium") if command == "install" else ()
    done = subprocess.run(  # noqa: S603 - the machine's own apt-get, and nothing of a caller's in its arguments
        [apt, "-qq", "-o", "DPkg::Lock::Timeout=120", command, *what],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode == 0
