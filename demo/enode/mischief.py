"""Mischief with deliveries, to order and by chance, with a seed: what a bad network and a bad day do to events. SIM.

Nothing is lost by it: each event is delivered in earnest as well, and what was held back comes when mischief ends.
"""

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from demo.enode.noise import BATCH, BROKEN, lie
from demo.enode.problems import Json
from demo.enode.world import Held, Queue

type Chance = Annotated[float, Field(ge=0, le=1)]


class Wish(BaseModel):
    """Body of POST /_sim/mischief. Chances are 0 to 1; what is absent does not happen."""

    model_config = ConfigDict(extra="forbid", strict=True)

    seed: int = 1
    """One seed and one order of events give the same mischief."""
    times: int | None = Field(default=None, ge=1)
    """So many tricks, then no more; none: without end."""
    repeat_delivery: Chance = 0
    """A delivery that was taken comes again: same id, same bytes."""
    repeat_event: Chance = 0
    """An event that was delivered is told once more, in a later delivery."""
    reorder: Chance = 0
    """An event is held back until later ones overtook it."""
    window: int = Field(default=8, ge=1, le=1000)
    """How many later events may overtake one that is held back."""
    batch: int = Field(default=0, ge=0, le=BATCH)
    """Nothing is delivered before so many events wait (0: as they come); the first of them may wait long."""
    broken: Chance = 0
    """A delivery is preceded by a body that is broken, signed correctly."""
    kinds: list[str] = Field(default=list(BROKEN), min_length=1)
    """The ways of being broken to choose from."""
    forged: Chance = 0
    """A delivery is preceded by one that lies, signed with another secret."""
    slow: Chance = 0
    """A body is posted drop by drop."""
    slow_seconds: float = Field(default=0.5, gt=0, le=60)
    """Real seconds that it takes; the client's five seconds for an answer run meanwhile."""

    @field_validator("kinds")
    @classmethod
    def _known(cls, kinds: list[str]) -> list[str]:
        if not set(kinds) <= BROKEN.keys():
            raise ValueError(f"must be among {', '.join(BROKEN)}")
        return kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """A post that is no delivery of Enode's. `forged`: it is signed with another secret than the webhook's."""

    trick: str
    body: bytes
    forged: bool = False


@dataclass(slots=True)
class Mischief:
    """The mischief in force, and what was done: how often each trick was played, and how each extra was answered."""

    wish: Wish = field(default_factory=Wish)
    played: Counter[str] = field(default_factory=Counter)
    answers: dict[str, Counter[str]] = field(default_factory=dict)
    _random: random.Random = field(default_factory=random.Random)
    _left: int | None = None

    def set(self, wish: Wish) -> None:
        """Begin, or end with a wish for nothing."""
        self.wish = wish
        self.played.clear()
        self.answers.clear()
        self._random = random.Random(wish.seed)  # noqa: S311  # mischief must be repeatable
        self._left = wish.times

    def enqueue(self, queue: Queue, event: Json) -> Queue:
        """The queue with a new event at its end, or held back; what was overtaken enough comes behind it."""
        if self._plays("reorder", self.wish.reorder):
            return _pass(replace(queue, held=(*queue.held, self._held(event))))
        return _pass(replace(queue, waiting=(*queue.waiting, event)))

    def after(self, queue: Queue, events: tuple[Json, ...]) -> Queue:
        """The queue after a delivery was taken: some of its events may be told again."""
        again = tuple(self._held(it) for it in events if self._plays("repeat_event", self.wish.repeat_event))
        return replace(queue, held=(*queue.held, *again)) if again else queue

    def repeats(self) -> bool:
        """Whether a delivery that was taken is posted again."""
        return self._plays("repeat_delivery", self.wish.repeat_delivery)

    def drips(self) -> float:
        """Real seconds over which a body is spread; 0: posted at once."""
        return self.wish.slow_seconds if self._plays("slow", self.wish.slow) else 0.0

    def extras(self, events: tuple[Json, ...], at: str) -> list[Extra]:
        """What is posted before a delivery of `events`; `at` is a time that no event has."""
        found = []
        if self._plays("broken", self.wish.broken):
            kind = self._random.choice(self.wish.kinds)
            found.append(Extra(trick=kind, body=BROKEN[kind](events, at)))
        if self._plays("forged", self.wish.forged):
            found.append(Extra(trick="forged", body=lie(events, at), forged=True))
        return found

    def note(self, trick: str, code: int | None) -> None:
        """How an extra was answered; None: not at all."""
        self.answers.setdefault(trick, Counter())["none" if code is None else str(code)] += 1

    def _held(self, event: Json) -> Held:
        return Held(event=event, behind=self._random.randint(1, self.wish.window))

    def _plays(self, trick: str, chance: float) -> bool:
        if not chance or self._left == 0 or self._random.random() >= chance:
            return False
        self.played[trick] += 1
        if self._left is not None:
            self._left -= 1
        return True


def release(queue: Queue) -> Queue:
    """The queue with all that was held back at its end."""
    return replace(queue, waiting=(*queue.waiting, *(it.event for it in queue.held)), held=())


def _pass(queue: Queue) -> Queue:
    """One more event went by: whatever was held back long enough comes behind it."""
    if not queue.held:
        return queue
    older = [replace(it, behind=it.behind - 1) for it in queue.held]
    due = tuple(it.event for it in older if it.behind < 0)
    return replace(queue, waiting=(*queue.waiting, *due), held=tuple(it for it in older if it.behind >= 0))
