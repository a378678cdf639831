"""scripts/audit: look for known vulnerabilities in the locked packages."""

import argparse
import sys
from collections.abc import Sequence

from scripts.lib.locked_packages import UvMissingError, run_uv

EPILOG = """\
The packages of uv.lock are compared with the OSV database by `uv audit`. Without --dev, only those that the relay
installs are compared.

Exit status: 0 if no vulnerability is known, 1 if one is, 3 if the database could not be reached.
"""
VULNERABLE, NOT_CHECKED = 1, 3


def audit(*, dev: bool, service_url: str | None) -> int:
    """Print what is known about the locked packages. Returns the exit status."""
    scope = () if dev else ("--no-dev",)
    service = ("--service-url", service_url) if service_url else ()
    try:
        done = run_uv(("audit", "--preview-features", "audit-command", *scope, *service))
    except UvMissingError as error:
        print(f"not checked for known vulnerabilities: {error}", flush=True)
        return NOT_CHECKED
    print(done.stdout, done.stderr, sep="", end="", flush=True)
    if done.returncode in {0, VULNERABLE}:
        return done.returncode
    print("not checked for known vulnerabilities: the lines above say why", flush=True)
    return NOT_CHECKED


def main(argv: Sequence[str] | None = None) -> int:
    """Run scripts/audit and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/audit",
        description="Look for known vulnerabilities in the locked packages.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dev", action="store_true", help="also the packages that only development needs")
    parser.add_argument("--service-url", metavar="URL", help="ask this server, which must speak OSV's API")
    options = parser.parse_args(argv)
    return audit(dev=options.dev, service_url=options.service_url)


if __name__ == "__main__":
    sys.exit(main())
