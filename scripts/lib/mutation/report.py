"""The report of scripts/mutate: a table with one row for each module, and the survivors."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scripts.lib.mutation.tables import AcceptedRow, Mutant

HEADINGS = ("module", "mutants", "killed", "survived", "accepted", "percent")
REQUIRED_PERCENT = 90.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The mutants of a run, those that no test noticed (without accepted ones), and those that are accepted."""

    mutants: tuple[Mutant, ...]
    survivors: tuple[Mutant, ...]
    accepted: tuple[Mutant, ...]

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
    reasons = {(row.module, row.function, row.old, row.new) for row in rows}
    alive = [mutant for mutant in mutants if not mutant.is_killed]
    accepted = [mutant for mutant in alive if (mutant.module, mutant.function, mutant.old, mutant.new) in reasons]
    return Verdict(
        mutants=tuple(mutants),
        survivors=tuple(mutant for mutant in alive if mutant not in accepted),
        accepted=tuple(accepted),
    )


def render_table(verdict: Verdict) -> list[str]:
    """Render the counts of each module, and their sums."""
    totals = Counter(mutant.module for mutant in verdict.mutants)
    survived = Counter(mutant.module for mutant in verdict.survivors)
    accepted = Counter(mutant.module for mutant in verdict.accepted)
    rows: list[tuple[str, ...]] = [HEADINGS]
    rows += [_render_row(module, totals[module], survived[module], accepted[module]) for module in sorted(totals)]
    rows += [_render_row("all", totals.total(), survived.total(), accepted.total())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]


def _render_row(title: str, total: int, survived: int, accepted: int) -> tuple[str, ...]:
    killed = total - survived - accepted
    percent = compute_percent(total, survived, accepted)
    return (title, str(total), str(killed), str(survived), str(accepted), f"{percent:.1f}")


def render_survivor(mutant: Mutant) -> list[str]:
    """Render a survivor: where it is, its diff, how to repeat the run, and the row that would accept it."""
    row = AcceptedRow(module=mutant.module, function=mutant.function, old=mutant.old, new=mutant.new, reason="…")
    return [
        f"{mutant.module}::{mutant.function}  ({mutant.status})",
        *(f"    {line}" for line in mutant.diff),
        f"  repeat: scripts/mutate {mutant.module}::{mutant.function}",
        f"  accept: {row}",
    ]
