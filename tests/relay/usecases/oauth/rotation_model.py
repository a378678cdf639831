"""What rotation promises, in a few lines that know no database."""

import itertools
import operator
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(eq=False)
class Pair:
    """What somebody holds, and what the model knows of it. `used` numbers first uses in their order."""

    tokens: dict = field(repr=False)
    replaces: Pair | None
    born: timedelta
    used: int | None = None
    used_at: timedelta = field(default_factory=timedelta)


class Model:
    """A refresh token dies when a successor of its pair is first used; shown after that it ends the installation.

    Of several answers to one token the first that is used is the successor, and for a minute the others stand for it.
    """

    def __init__(self) -> None:
        self.pairs: list[Pair] = []
        self.is_revoked = False
        self.now = timedelta()
        self._uses = itertools.count()

    def issue(self, tokens: dict, replaces: Pair | None) -> Pair:
        pair = Pair(tokens=tokens, replaces=replaces, born=self.now)
        self.pairs.append(pair)
        return pair

    def call(self, pair: Pair) -> bool:
        """Whether a call with the access token goes through."""
        if self.is_revoked or self.now - pair.born >= timedelta(minutes=30):
            return False
        if pair.used is None and self._first(pair) is not None:
            return False
        self._use(pair)
        return True

    def refresh(self, pair: Pair) -> Pair | None:
        """The pair that the answer is to replace; None when there is none, and all is over."""
        first = self._first(pair) or pair
        is_late = first is not pair and self.now - first.used_at > timedelta(seconds=60)
        is_replaced = any(it.replaces is first and it.used is not None for it in self.pairs)
        if self.is_revoked or is_replaced or is_late:
            self.is_revoked = True
            return None
        self._use(first)
        return first

    def heads(self) -> list[Pair]:
        """Pairs that go on by themselves: used, and not replaced by one that is used."""
        used = [it for it in self.pairs if it.used is not None]
        return [it for it in used if self._first(it) is it and not any(other.replaces is it for other in used)]

    def _first(self, pair: Pair) -> Pair | None:
        twins = [it for it in self.pairs if it is pair or (pair.replaces and it.replaces is pair.replaces)]
        return min((it for it in twins if it.used is not None), key=operator.attrgetter("used"), default=None)

    def _use(self, pair: Pair) -> None:
        if pair.used is None:
            pair.used, pair.used_at = next(self._uses), self.now
