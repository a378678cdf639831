"""Mischief with deliveries, to order and by chance, with a seed: what a bad network and a bad day do to events. SIM.

Nothing is lost by it: each event is delivered in earnest as well, and what was held back comes when mischief ends.
"""

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from demo.enode.malformed_bodies import MALFORMED_BODIES, MAX_BATCH_SIZE, build_forged_body
from demo.enode.problems import Json
from demo.enode.world import HeldEvent, WebhookQueue

type Probability = Annotated[float, Field(ge=0, le=1)]


class DeliveryFaultSettings(BaseModel):
    """Body of POST /_sim/mischief. Chances are 0 to 1; what is absent does not happen."""

    model_config = ConfigDict(extra="forbid", strict=True)

    seed: int = 1
    """One seed and one order of events give the same mischief."""
    times: int | None = Field(default=None, ge=1)
    """So many tricks, then no more; none: without end."""
    repeat_delivery: Probability = 0
    """A delivery that was taken comes again: same id, same bytes."""
    repeat_event: Probability = 0
    """An event that was delivered is told once more, in a later delivery."""
    reorder: Probability = 0
    """An event is held back until later ones overtook it."""
    window: int = Field(default=8, ge=1, le=1000)
    """How many later events may overtake one that is held back."""
    batch: int = Field(default=0, ge=0, le=MAX_BATCH_SIZE)
    """Nothing is delivered before so many events wait (0: as they come); the first of them may wait long."""
    broken: Probability = 0
    """A delivery is preceded by a body that is broken, signed correctly."""
    kinds: list[str] = Field(default=list(MALFORMED_BODIES), min_length=1)
    """The ways of being broken to choose from."""
    forged: Probability = 0
    """A delivery is preceded by one that lies, signed with another secret."""
    slow: Probability = 0
    """A body is posted drop by drop."""
    slow_seconds: float = Field(default=0.5, gt=0, le=60)
    """Real seconds that it takes; the client's five seconds for an answer run meanwhile."""

    @field_validator("kinds")
    @classmethod
    def _check_kinds(cls, kinds: list[str]) -> list[str]:
        if not set(kinds) <= MALFORMED_BODIES.keys():
            raise ValueError(f"must be among {', '.join(MALFORMED_BODIES)}")
        return kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraPost:
    """A post that is no delivery of Enode's. `forged`: it is signed with another secret than the webhook's."""

    fault: str
    body: bytes
    forged: bool = False


@dataclass(slots=True)
class DeliveryFaults:
    """The mischief in force, and what was done: how often each trick was played, and how each extra was answered."""

    settings: DeliveryFaultSettings = field(default_factory=DeliveryFaultSettings)
    triggered: Counter[str] = field(default_factory=Counter)
    answers: dict[str, Counter[str]] = field(default_factory=dict)
    _random: random.Random = field(default_factory=random.Random)
    _remaining: int | None = None

    def configure(self, wish: DeliveryFaultSettings) -> None:
        """Begin, or end with a wish for nothing."""
        self.settings = wish
        self.triggered.clear()
        self.answers.clear()
        self._random = random.Random(wish.seed)  # noqa: S311  # mischief must be repeatable
        self._remaining = wish.times

    def enqueue(self, queue: WebhookQueue, event: Json) -> WebhookQueue:
        """The queue with a new event at its end, or held back; what was overtaken enough comes behind it."""
        if self._triggers("reorder", self.settings.reorder):
            return _release_overtaken_events(replace(queue, held=(*queue.held, self._hold(event))))
        return _release_overtaken_events(replace(queue, waiting=(*queue.waiting, event)))

    def requeue_repeats(self, queue: WebhookQueue, events: tuple[Json, ...]) -> WebhookQueue:
        """The queue after a delivery was taken: some of its events may be told again."""
        again = tuple(self._hold(it) for it in events if self._triggers("repeat_event", self.settings.repeat_event))
        return replace(queue, held=(*queue.held, *again)) if again else queue

    def should_repeat_delivery(self) -> bool:
        """Whether a delivery that was taken is posted again."""
        return self._triggers("repeat_delivery", self.settings.repeat_delivery)

    def choose_slow_seconds(self) -> float:
        """Real seconds over which a body is spread; 0: posted at once."""
        return self.settings.slow_seconds if self._triggers("slow", self.settings.slow) else 0.0

    def create_extra_posts(self, events: tuple[Json, ...], at: str) -> list[ExtraPost]:
        """What is posted before a delivery of `events`; `at` is a time that no event has."""
        found = []
        if self._triggers("broken", self.settings.broken):
            kind = self._random.choice(self.settings.kinds)
            found.append(ExtraPost(fault=kind, body=MALFORMED_BODIES[kind](events, at)))
        if self._triggers("forged", self.settings.forged):
            found.append(ExtraPost(fault="forged", body=build_forged_body(events, at), forged=True))
        return found

    def record_answer(self, trick: str, code: int | None) -> None:
        """How an extra was answered; None: not at all."""
        self.answers.setdefault(trick, Counter())["none" if code is None else str(code)] += 1

    def _hold(self, event: Json) -> HeldEvent:
        return HeldEvent(event=event, behind=self._random.randint(1, self.settings.window))

    def _triggers(self, trick: str, chance: float) -> bool:
        if not chance or self._remaining == 0 or self._random.random() >= chance:
            return False
        self.triggered[trick] += 1
        if self._remaining is not None:
            self._remaining -= 1
        return True


def release_held_events(queue: WebhookQueue) -> WebhookQueue:
    """The queue with all that was held back at its end."""
    return replace(queue, waiting=(*queue.waiting, *(it.event for it in queue.held)), held=())


def _release_overtaken_events(queue: WebhookQueue) -> WebhookQueue:
    """One more event went by: whatever was held back long enough comes behind it."""
    if not queue.held:
        return queue
    older = [replace(it, behind=it.behind - 1) for it in queue.held]
    due = tuple(it.event for it in older if it.behind < 0)
    return replace(queue, waiting=(*queue.waiting, *due), held=tuple(it for it in older if it.behind >= 0))
