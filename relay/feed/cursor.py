"""Cursors: how far a client has read a user's feed, and how much of what it missed is replayed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import override
from uuid import UUID

REPLAY_WINDOW = timedelta(hours=24)
"""How long a missed transition is replayed, counted from when the relay stored it, not from when it occurred."""
MAX_REPLAYED_TRANSITIONS = 1000

type FeedPositions = Mapping[UUID, int]
"""User ids, each with the sequence number up to which that user's feed has been read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cursor:
    """A position in a user's feed: everything up to and including `seq` of `epoch` has been read.

    The epoch changes when the database is restored from a backup, because sequence numbers are then issued again.
    """

    epoch: str
    seq: int

    @override
    def __str__(self) -> str:
        return f"{self.epoch}.{self.seq}"


def parse_cursor(text: str | None) -> Cursor | None:
    """Parse the cursor that a client sends back; None when it sends none.

    Malformed text gives a cursor of the empty epoch, which no feed has: the client gets a snapshot with a gap.
    """
    if not text:
        return None
    epoch, _, seq = text.partition(".")
    if seq.isascii() and seq.isdecimal() and len(seq) < len(str(2**63)):
        return Cursor(epoch=epoch, seq=int(seq))
    return Cursor(epoch="", seq=0)
