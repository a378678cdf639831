"""Survivors of `scripts/mutate` that no test has to notice, each with the reason.

The report of `scripts/mutate` has the row for each survivor, ready to copy.
"""

from scripts.lib.mutation.tables import AcceptedRow

ACCEPTED: tuple[AcceptedRow, ...] = ()
