"""scripts/sbom: write a software bill of materials (CycloneDX 1.5) of the relay."""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from scripts.lib.locked_packages import UvMissingError, run_uv

EPILOG = """\
Lists the packages of uv.lock that the relay installs, with their hashes, as `uv export` writes them, and adds the
licence that each package states in its metadata.
"""
LICENCE_CLASSIFIER = "License :: OSI Approved :: "
# Old packages put the whole text into this field.
LONGEST_LICENCE_NAME = 80

type Json = dict[str, object]


class ExportError(Exception):
    """uv could not export the lock file."""


def find_licences(package: str) -> list[Json]:
    """Return CycloneDX's `licenses` of an installed package: empty if it is not installed or states none."""
    try:
        stated = metadata(package)
    except PackageNotFoundError:  # a package for another platform
        return []
    if expression := stated.get("License-Expression"):
        return [{"expression": expression}]
    classifiers = stated.get_all("Classifier") or []
    names = [text.removeprefix(LICENCE_CLASSIFIER) for text in classifiers if text.startswith(LICENCE_CLASSIFIER)]
    name = (stated.get("License") or "").strip()
    if not names and name and len(name) <= LONGEST_LICENCE_NAME and "\n" not in name:
        names = [name]
    return [{"license": {"name": name}} for name in names]


def build_sbom(*, dev: bool) -> Json:
    """Build the bill of materials."""
    scope = () if dev else ("--no-dev",)
    done = run_uv(("export", "--preview-features", "sbom-export", "--format", "cyclonedx1.5", *scope))
    if done.returncode != 0:
        raise ExportError(done.stderr.strip())
    sbom: Json = json.loads(done.stdout)
    components = sbom["components"]
    if isinstance(components, list):
        for component in components:
            if licences := find_licences(component["name"]):
                component["licenses"] = licences
    return sbom


def main(argv: Sequence[str] | None = None) -> int:
    """Run scripts/sbom and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/sbom",
        description="Write a software bill of materials of the relay: CycloneDX 1.5, as JSON.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dev", action="store_true", help="also the packages that only development needs")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write to this file instead of standard output")
    options = parser.parse_args(argv)
    try:
        text = json.dumps(build_sbom(dev=options.dev), indent=2) + "\n"
        if options.output is None:
            sys.stdout.write(text)
        else:
            options.output.write_text(text)
    except (ExportError, UvMissingError, OSError) as error:
        print(f"scripts/sbom: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
