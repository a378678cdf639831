"""What really happened, in the order in which it did: what a test compares a client with. SIM: not Enode's.

Mischief is done to deliveries and never shows here. Kept in memory only: a restarted simulator begins a new list.
"""

from collections import Counter, deque
from dataclasses import dataclass, field

from demo.enode.problems import Json
from demo.enode.world import World

MAX_EVENTS = 200_000


@dataclass(slots=True)
class GroundTruth:
    """Every event of a user that was made."""

    events: deque[Json] = field(default_factory=lambda: deque(maxlen=MAX_EVENTS))
    counts: Counter[str] = field(default_factory=Counter)

    def record(self, event: Json) -> None:
        """Remember an event as it was made."""
        self.events.append(event)
        self.counts[event["event"]] += 1

    def clear(self) -> None:
        """Forget all of it."""
        self.events.clear()
        self.counts.clear()

    def render(self, world: World) -> Json:
        """Events made by name, all of them in order (`log`), and each vehicle that there ever was with all states told.

        `vehicle` is what Enode knows now or, when `linked` is false, knew last.
        """
        rows: dict[str, Json] = {}
        for event in self.events:
            if (vehicle := event.get("vehicle")) is not None:
                row = rows.setdefault(vehicle["id"], {"vehicle": vehicle, "linked": False, "states": []})
                row["vehicle"] = vehicle
                row["states"].append({"at": event["createdAt"], "event": event["event"], "vehicle": vehicle})
        for vehicle_id, record in world.vehicles.items():
            row = rows.setdefault(vehicle_id, {"states": []})
            row.update(vehicle=record.shown, linked=True)
        return {"events": dict(self.counts), "vehicles": rows, "log": list(self.events)}
