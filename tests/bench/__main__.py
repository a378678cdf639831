"""scripts/bench: runs the benches and prints what they measured."""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench import cases, home_assistant, stalling
from tests.bench.report import ROOT, Row, machine, table, written
from tests.bench.world import open_world

BENCHES: dict[str, cases.Bench] = {
    "ingest": cases.ingest,
    "status": cases.status,
    "latency": cases.latency,
    "home-assistant": home_assistant.entity_state,
    "streams": cases.streams,
    "scaling": cases.scaling,
    "peer": stalling.peer,
    "drain": cases.drain,
    "metering": cases.metering,
}
DOCUMENT = Path("docs/performance.md")
HEAD = """\
# Performance

Speed and memory, measured by `scripts/bench --write` with the benchmarks in `tests/bench`.

A ratio compares the relay with a *floor* (a bare handler that does only the unavoidable) or a
*peer* (the plain design: eleven statements per request, and delivery inside the request). Both are
measured in the same run, on loopback, and share the cores with the client, PostgreSQL (fsync on)
and all servers. Only ratios have budgets. Absolute figures depend on the machine as much as on the relay.

"""


async def run(names: Sequence[str], *, quick: bool) -> list[Row]:
    """The rows of these benches, printed as they come."""
    rows: list[Row] = []
    with open_world() as world:
        for name in names:
            began = time.monotonic()
            print(f"==> {name}", flush=True)
            found = await BENCHES[name](world, cases.Scale(quick=quick))
            for row in found:
                ratio = "" if row.ratio is None else f"  ratio {row.ratio:.2f} {row.against} {row.verdict}"
                print(f"    {row.what}: {row.figures}{ratio}", flush=True)
            print(f"    {time.monotonic() - began:.0f} s", flush=True)
            rows += found
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """The command. With `--quick` nothing is judged: it only shows that every bench works."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a little of each, in about a minute; judges nothing")
    parser.add_argument("--only", action="append", choices=list(BENCHES), help="this bench; may be given again")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {DOCUMENT}")
    options = parser.parse_args(argv)
    rows = asyncio.run(run(options.only or list(BENCHES), quick=options.quick))
    print(f"\n{table(rows)}\n\n{machine()}", flush=True)
    if options.write:
        document = ROOT / DOCUMENT
        old = document.read_text(encoding="utf-8") if options.only else ""
        document.write_text(HEAD + written(old, rows, list(BENCHES)), encoding="utf-8")
    missed = [row for row in rows if row.verdict == "MISSED"]
    if missed and not options.quick:
        print(f"missed: {', '.join(f'{it.bench} ({it.what})' for it in missed)}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
