"""The report of scripts/mutate: a table with one row for each module, and the survivors."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from scripts.lib.mutation.pairs import PairOutcome
from scripts.lib.mutation.tables import AcceptedRow, Mutant

HEADINGS = ("module", "mutants", "killed", "survived", "accepted", "percent")
REQUIRED_PERCENT = 90.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The mutants of a run, those that no test noticed (without accepted ones), and those that are accepted."""

    mutants: tuple[Mutant, ...]
    survivors: tuple[Mutant, ...]
    accepted: tuple[Mutant, ...]
    # Rows that accept a mutant which is killed.
    obsolete: tuple[AcceptedRow, ...] = ()

    @property
    def percent(self) -> float:
        """The percentage of the mutants that are killed, without accepted ones; 100 if there are none."""
        return compute_percent(len(self.mutants), len(self.survivors), len(self.accepted))


def compute_percent(total: int, survived: int, accepted: int) -> float:
    """Return the percentage of killed mutants among those that are not accepted."""
    counted = total - accepted
    return 100.0 * (counted - survived) / counted if counted else 100.0


def judge(mutants: Sequence[Mutant], rows: Iterable[AcceptedRow]) -> Verdict:
    """Split the mutants that no test noticed into accepted ones and survivors."""
    by_change = {(row.module, row.function, row.old, row.new): row for row in rows}
    alive = [mutant for mutant in mutants if not mutant.is_killed]
    alive_changes = {_get_change(mutant) for mutant in alive}
    killed_changes = {_get_change(mutant) for mutant in mutants} - alive_changes
    return Verdict(
        mutants=tuple(mutants),
        survivors=tuple(mutant for mutant in alive if _get_change(mutant) not in by_change),
        accepted=tuple(mutant for mutant in alive if _get_change(mutant) in by_change),
        obsolete=tuple(row for change, row in by_change.items() if change in killed_changes),
    )


def is_successful(verdict: Verdict, outcomes: Iterable[PairOutcome]) -> bool:
    """Whether enough mutants are killed, and all pairs that are not accepted."""
    return verdict.percent >= REQUIRED_PERCENT and all(
        outcome.is_killed or outcome.pair.accepted is not None for outcome in outcomes
    )


def render_report(verdict: Verdict, outcomes: Sequence[PairOutcome]) -> list[str]:
    """Render the survivors, then the tables."""
    lines: list[str] = []
    for (module, function), mutants in groupby(verdict.survivors, lambda mutant: (mutant.module, mutant.function)):
        lines += [*render_survivors(module, function, list(mutants)), ""]
    for outcome in outcomes:
        if not outcome.is_killed and outcome.pair.accepted is None:
            lines += [*render_pair(outcome), ""]
    if verdict.obsolete:
        lines += ["accepted, but killed by a test now (delete the row):", *map(render_accepted_row, verdict.obsolete)]
    if verdict.mutants:
        lines += ["mutants of functions:", *render_table(_count_mutants(verdict)), ""]
    if outcomes:
        lines += ["pairs:", *render_table(_count_pairs(outcomes)), ""]
    return lines


def render_survivors(module: str, function: str, mutants: Sequence[Mutant]) -> list[str]:
    """Render the survivors of one function: diffs, how to repeat the run, and the rows that would accept them."""
    lines = [f"{module}::{function}", f"  repeat: scripts/mutate {module}::{function}"]
    if all(mutant.status == "no tests" for mutant in mutants):
        return [*lines, f"  {len(mutants)} mutants survive: none of the tests calls this function"]
    for mutant in mutants:
        row = AcceptedRow(module=module, function=function, old=mutant.old, new=mutant.new, reason="…")
        lines += [
            f"  {mutant.status}:",
            *(f"    {line}" for line in mutant.diff),
            *render_accepted_row(row).splitlines(),
        ]
    return lines


def render_accepted_row(row: AcceptedRow) -> str:
    """Render a row as it is written in tests/mutation/accepted."""
    fields = ("module", "function", "old", "new", "reason")
    body = [f"      {name}={quote(getattr(row, name))}," for name in fields]
    return "\n".join(["    AcceptedRow(", *body, "    ),"])


def quote(text: str) -> str:
    """Return a string literal, in double quotes if that needs no escapes, as the formatter writes it."""
    literal = repr(text)
    return f'"{literal[1:-1]}"' if literal.startswith("'") and '"' not in text else literal


def render_pair(outcome: PairOutcome) -> list[str]:
    """Render a pair that no test noticed."""
    pair = outcome.pair
    return [
        f"{pair.title}  ({outcome.status} {outcome.detail}".rstrip() + ")",
        *(f"    -{line}" for line in pair.old.splitlines()),
        *(f"    +{line}" for line in pair.new.splitlines()),
        f"  tests: {' '.join(pair.tests)}",
        f"  repeat: scripts/mutate --pairs-only {pair.file}",
    ]


def render_table(counts: Iterable[tuple[str, int, int, int]]) -> list[str]:
    """Render the counts (title, all, survived, accepted) of each module, and their sums."""
    listed = sorted(counts)
    sums = (sum(row[1] for row in listed), sum(row[2] for row in listed), sum(row[3] for row in listed))
    rows: list[tuple[str, ...]] = [HEADINGS, *(_render_row(*row) for row in listed), _render_row("all", *sums)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]


def _count_mutants(verdict: Verdict) -> list[tuple[str, int, int, int]]:
    totals = Counter(mutant.module for mutant in verdict.mutants)
    survived = Counter(mutant.module for mutant in verdict.survivors)
    accepted = Counter(mutant.module for mutant in verdict.accepted)
    return [(module, totals[module], survived[module], accepted[module]) for module in totals]


def _count_pairs(outcomes: Iterable[PairOutcome]) -> list[tuple[str, int, int, int]]:
    totals, survived, accepted = Counter[str](), Counter[str](), Counter[str]()
    for outcome in outcomes:
        totals[outcome.pair.file] += 1
        if not outcome.is_killed:
            (survived if outcome.pair.accepted is None else accepted)[outcome.pair.file] += 1
    return [(file, totals[file], survived[file], accepted[file]) for file in totals]


def _render_row(title: str, total: int, survived: int, accepted: int) -> tuple[str, ...]:
    killed = total - survived - accepted
    percent = compute_percent(total, survived, accepted)
    return (title, str(total), str(killed), str(survived), str(accepted), f"{percent:.1f}")


def _get_change(mutant: Mutant) -> tuple[str, str, str, str]:
    return (mutant.module, mutant.function, mutant.old, mutant.new)
