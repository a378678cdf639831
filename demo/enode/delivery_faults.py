"""Faults injected into deliveries, random but repeatable by a seed. SIM.

No event is lost: each one is also delivered normally, and held-back events are sent when the faults end.
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
    """Body of POST /_sim/mischief. Probabilities are 0 to 1; absent faults do not happen."""

    model_config = ConfigDict(extra="forbid", strict=True)

    seed: int = 1
    """The same seed and order of events give the same faults."""
    times: int | None = Field(default=None, ge=1)
    """Total number of faults; None for no limit."""
    repeat_delivery: Probability = 0
    """An accepted delivery is sent again with the same id and bytes."""
    repeat_event: Probability = 0
    """A delivered event is sent once more in a later delivery."""
    reorder: Probability = 0
    """An event is held back until later ones have overtaken it."""
    window: int = Field(default=8, ge=1, le=1000)
    """How many later events may overtake one that is held back."""
    batch: int = Field(default=0, ge=0, le=MAX_BATCH_SIZE)
    """Deliveries wait for this many events (0: no waiting), which can delay the first of them for long."""
    broken: Probability = 0
    """A delivery is preceded by a malformed body with a correct signature."""
    kinds: list[str] = Field(default=list(MALFORMED_BODIES), min_length=1)
    """The kinds of malformed bodies to choose from."""
    forged: Probability = 0
    """A delivery is preceded by a forged one, signed with another secret."""
    slow: Probability = 0
    """A body is sent slowly, in small pieces."""
    slow_seconds: float = Field(default=0.5, gt=0, le=60)
    """Real seconds it takes; they count toward the five seconds that the client has for an answer."""

    @field_validator("kinds")
    @classmethod
    def _check_kinds(cls, kinds: list[str]) -> list[str]:
        if not set(kinds) <= MALFORMED_BODIES.keys():
            raise ValueError(f"must be among {', '.join(MALFORMED_BODIES)}")
        return kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraPost:
    """A POST in addition to the deliveries. `forged`: signed with a secret other than the subscription's."""

    fault: str
    body: bytes
    forged: bool = False


@dataclass(slots=True)
class DeliveryFaults:
    """The active faults, how often each was triggered, and how each extra POST was answered."""

    settings: DeliveryFaultSettings = field(default_factory=DeliveryFaultSettings)
    triggered: Counter[str] = field(default_factory=Counter)
    answers: dict[str, Counter[str]] = field(default_factory=dict)
    _random: random.Random = field(default_factory=random.Random)
    _remaining: int | None = None

    def configure(self, settings: DeliveryFaultSettings) -> None:
        """Set the active faults and clear the counts. Default settings end all faults."""
        self.settings = settings
        self.triggered.clear()
        self.answers.clear()
        self._random = random.Random(settings.seed)  # noqa: S311  # faults must be repeatable
        self._remaining = settings.times

    def enqueue(self, queue: WebhookQueue, event: Json) -> WebhookQueue:
        """Return the queue with a new event, at its end or held back, followed by the events overtaken often enough."""
        if self._should_trigger("reorder", self.settings.reorder):
            return _release_overtaken_events(replace(queue, held=(*queue.held, self._hold(event))))
        return _release_overtaken_events(replace(queue, waiting=(*queue.waiting, event)))

    def requeue_repeats(self, queue: WebhookQueue, events: tuple[Json, ...]) -> WebhookQueue:
        """Return the queue after an accepted delivery; some of its events may be queued again."""
        repeated = tuple(
            self._hold(event) for event in events if self._should_trigger("repeat_event", self.settings.repeat_event)
        )
        return replace(queue, held=(*queue.held, *repeated)) if repeated else queue

    def should_repeat_delivery(self) -> bool:
        """Return whether to send an accepted delivery again."""
        return self._should_trigger("repeat_delivery", self.settings.repeat_delivery)

    def choose_slow_seconds(self) -> float:
        """Return the real seconds over which to send a body; 0 for immediately."""
        return self.settings.slow_seconds if self._should_trigger("slow", self.settings.slow) else 0.0

    def create_extra_posts(self, events: tuple[Json, ...], at: str) -> list[ExtraPost]:
        """Create the POSTs that precede a delivery of `events`. `at` is a timestamp that no event has."""
        posts = []
        if self._should_trigger("broken", self.settings.broken):
            kind = self._random.choice(self.settings.kinds)
            posts.append(ExtraPost(fault=kind, body=MALFORMED_BODIES[kind](events, at)))
        if self._should_trigger("forged", self.settings.forged):
            posts.append(ExtraPost(fault="forged", body=build_forged_body(events, at), forged=True))
        return posts

    def record_answer(self, fault: str, code: int | None) -> None:
        """Record the status that an extra POST was answered with; None for no answer."""
        self.answers.setdefault(fault, Counter())["none" if code is None else str(code)] += 1

    def _hold(self, event: Json) -> HeldEvent:
        return HeldEvent(event=event, behind=self._random.randint(1, self.settings.window))

    def _should_trigger(self, fault: str, probability: float) -> bool:
        if not probability or self._remaining == 0 or self._random.random() >= probability:
            return False
        self.triggered[fault] += 1
        if self._remaining is not None:
            self._remaining -= 1
        return True


def release_held_events(queue: WebhookQueue) -> WebhookQueue:
    """Return the queue with all held-back events at its end."""
    return replace(queue, waiting=(*queue.waiting, *(held_event.event for held_event in queue.held)), held=())


def _release_overtaken_events(queue: WebhookQueue) -> WebhookQueue:
    """Count one more overtaking event, and append the events that were overtaken often enough."""
    if not queue.held:
        return queue
    counted = [replace(held_event, behind=held_event.behind - 1) for held_event in queue.held]
    due = tuple(held_event.event for held_event in counted if held_event.behind < 0)
    return replace(
        queue,
        waiting=(*queue.waiting, *due),
        held=tuple(held_event for held_event in counted if held_event.behind >= 0),
    )
