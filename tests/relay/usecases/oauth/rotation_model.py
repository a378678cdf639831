"""Reference model of refresh token rotation, without a database."""

import itertools
import operator
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(eq=False)
class Pair:
    """A token pair in the model. `use_number` is the position of its first use among all first uses."""

    tokens: dict = field(repr=False)
    replaces: Pair | None
    issued_at: timedelta
    use_number: int | None = None
    used_at: timedelta = field(default_factory=timedelta)


class RotationModel:
    """Rotation rules: a refresh token expires when a successor of its pair is first used.

    Presenting it after that revokes the whole installation.

    Of several pairs issued for one token, the first that is used is the successor. For a minute the refresh tokens of
    the others count as the successor's.
    """

    def __init__(self) -> None:
        self.pairs: list[Pair] = []
        self.is_revoked = False
        self.now = timedelta()
        self._use_counter = itertools.count()

    def issue(self, tokens: dict, replaces: Pair | None) -> Pair:
        pair = Pair(tokens=tokens, replaces=replaces, issued_at=self.now)
        self.pairs.append(pair)
        return pair

    def call(self, pair: Pair) -> bool:
        """Whether a call with the pair's access token is accepted. Marks the pair as used if so."""
        if self.is_revoked or self.now - pair.issued_at >= timedelta(minutes=30):
            return False
        if pair.use_number is None and self._find_first_used(pair) is not None:
            return False
        self._mark_used(pair)
        return True

    def refresh(self, pair: Pair) -> Pair | None:
        """The pair that a new pair replaces; None if the refresh revokes the installation instead."""
        first = self._find_first_used(pair) or pair
        is_late = first is not pair and self.now - first.used_at > timedelta(seconds=60)
        is_replaced = any(other.replaces is first and other.use_number is not None for other in self.pairs)
        if self.is_revoked or is_replaced or is_late:
            self.is_revoked = True
            return None
        self._mark_used(first)
        return first

    def list_chain_ends(self) -> list[Pair]:
        """Used pairs that no used pair has replaced."""
        used = [pair for pair in self.pairs if pair.use_number is not None]
        return [
            pair
            for pair in used
            if self._find_first_used(pair) is pair and not any(other.replaces is pair for other in used)
        ]

    def _find_first_used(self, pair: Pair) -> Pair | None:
        twins = [other for other in self.pairs if other is pair or (pair.replaces and other.replaces is pair.replaces)]
        return min(
            (twin for twin in twins if twin.use_number is not None), key=operator.attrgetter("use_number"), default=None
        )

    def _mark_used(self, pair: Pair) -> None:
        if pair.use_number is None:
            pair.use_number, pair.used_at = next(self._use_counter), self.now
