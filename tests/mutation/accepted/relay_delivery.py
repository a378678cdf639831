"""Accepted mutants of relay/delivery, relay/feed, relay/inbox and relay/streams."""

from scripts.lib.mutation.tables import AcceptedRow

ACCEPTED: tuple[AcceptedRow, ...] = ()
