"""Accepted mutants of relay/kit, relay/identity and relay/pages."""

from scripts.lib.mutation.tables import AcceptedRow

ACCEPTED: tuple[AcceptedRow, ...] = ()
