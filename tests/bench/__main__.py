"""Run the benchmarks and print their figures."""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench import cases, command_line, home_assistant, integration_costs, metering, plain_design, streams
from tests.bench.environment import open_environment
from tests.bench.report import ROOT, Row, describe_machine, render_document_table, render_table

BENCHMARKS: dict[str, cases.Benchmark] = {
    "ingest": cases.measure_ingest,
    "status": cases.measure_status,
    "latency": cases.measure_latency,
    "home-assistant": home_assistant.measure_entity_state,
    "integration": integration_costs.measure_integration_costs,
    "streams": streams.measure_streams,
    "scaling": cases.measure_scaling,
    "peer": plain_design.measure_peer,
    "drain": cases.measure_drain,
    "metering": metering.measure_metering,
    "command-line": command_line.measure_command_line,
}
DOCUMENT = Path("docs/performance.md")
HEAD = """\
# Performance

Speed and memory, measured by `scripts/bench --write` with the benchmarks in `tests/bench`.

A ratio compares the relay with a *floor* (a bare handler that does only the minimum) or a
*peer* (the plain design: eleven statements per request, and delivery inside the request). Both are
measured in the same run, on loopback, and share the cores with the client, PostgreSQL (fsync on)
and all servers. Only ratios have budgets. Absolute figures also depend on the machine.

"""


async def run(names: Sequence[str], scale: cases.Scale) -> list[Row]:
    """Run these benchmarks, print each one's rows when it ends, and return them all."""
    rows: list[Row] = []
    async with open_environment(reuse=scale is cases.Scale.SMOKE) as environment:
        for name in names:
            started_at = time.monotonic()
            print(f"==> {name}", flush=True)
            new_rows = await BENCHMARKS[name](environment, scale)
            for row in new_rows:
                ratio = "" if row.ratio is None else f"  ratio {row.ratio:.2f} {row.limit} {row.verdict}"
                print(f"    {row.what}: {row.figures}{ratio}", flush=True)
            print(f"    {time.monotonic() - started_at:.0f} s", flush=True)
            rows += new_rows
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 1 if a budget was missed by a full run."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short runs, about a minute in total; ignores budgets")
    parser.add_argument("--smoke", action="store_true", help="one small round of each, whose figures mean nothing")
    parser.add_argument("--only", action="append", choices=list(BENCHMARKS), help="run this benchmark; repeatable")
    parser.add_argument("--write", action="store_true", help=f"write the figures to {DOCUMENT}")
    options = parser.parse_args(argv)
    scale = cases.Scale.SMOKE if options.smoke else cases.Scale.QUICK if options.quick else cases.Scale.FULL
    rows = asyncio.run(run(options.only or list(BENCHMARKS), scale))
    print(f"\n{render_table(rows)}\n\n{describe_machine()}", flush=True)
    if options.write:
        document = ROOT / DOCUMENT
        old = document.read_text(encoding="utf-8") if options.only else ""
        document.write_text(HEAD + render_document_table(old, rows, list(BENCHMARKS)), encoding="utf-8")
    missed = [row for row in rows if row.verdict == "MISSED"]
    if missed and scale is cases.Scale.FULL:
        print(f"missed: {', '.join(f'{row.bench} ({row.what})' for row in missed)}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
