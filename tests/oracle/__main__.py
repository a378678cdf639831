"""Compare what the relay derives from random days with the physical truth. The same seed gives the same days."""

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence

from tests.oracle.report import render_result, render_table
from tests.oracle.runs import HONEST, KINDS, ReportedDay, Result


def main(argv: Sequence[str] | None = None) -> int:
    """Run the days, print a table by kind of fault, and return 1 if any check failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--days", type=int, default=2000, help="how many days (2000)")
    parser.add_argument("--seed", type=int, default=1, help="the first day's seed (1)")
    parser.add_argument("--kind", action="append", help="only kinds of fault that contain this text; repeatable")
    parser.add_argument("--all-kinds", action="store_true", help="each day with every kind, instead of one in turn")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print the N shortest failures of each kind")
    options = parser.parse_args(argv)
    kinds = [kind for kind in KINDS if not options.kind or any(text in kind for text in options.kind)]
    days: Counter[str] = Counter()
    failed: defaultdict[str, list[Result]] = defaultdict(list)
    started_at = time.process_time()
    for number in range(options.days):
        day = ReportedDay(options.seed + number)
        for kind in _choose_kinds(kinds, number, all_kinds=options.all_kinds):
            result = day.run(kind)
            if result is None:
                continue
            days[kind] += 1
            if result.failures:
                failed[kind].append(result)
        if sys.stderr.isatty() or (number + 1) % 100 == 0:
            print(
                f"\r{number + 1} days, {sum(map(len, failed.values()))} failures", end="", file=sys.stderr, flush=True
            )
    print(file=sys.stderr)
    print(render_table(kinds, days, failed))
    for kind in kinds:
        for result in sorted(failed[kind], key=lambda result: len(result.case.arrivals))[: options.show]:
            print(f"\n{render_result(result)}")
    print(f"\n{options.days} days from seed {options.seed}, {time.process_time() - started_at:.0f} s of CPU")
    return 1 if any(failed.values()) else 0


def _choose_kinds(kinds: Sequence[str], number: int, *, all_kinds: bool) -> Sequence[str]:
    faults = [kind for kind in kinds if kind != HONEST]
    if all_kinds or not faults:
        return kinds
    chosen = [faults[number % len(faults)]]
    return [HONEST, *chosen] if HONEST in kinds else chosen


if __name__ == "__main__":
    sys.exit(main())
