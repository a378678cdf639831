"""Accepted mutants of relay/metering, relay/plans.py and relay/usecases."""

from scripts.lib.mutation.tables import AcceptedRow

ACCEPTED: tuple[AcceptedRow, ...] = ()
