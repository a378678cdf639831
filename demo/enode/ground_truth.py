"""All events as they were created, in order, for tests to compare a client with. SIM: not part of Enode.

Delivery faults never change this list. It is kept in memory only: a restarted simulator begins a new one.
"""

from collections import Counter, deque
from dataclasses import dataclass, field

from demo.enode.problems import Json
from demo.enode.world import World

MAX_EVENTS = 200_000


@dataclass(slots=True)
class GroundTruth:
    """Every user event that was created."""

    events: deque[Json] = field(default_factory=lambda: deque(maxlen=MAX_EVENTS))
    counts: Counter[str] = field(default_factory=Counter)

    def record(self, event: Json) -> None:
        """Record an event."""
        self.events.append(event)
        self.counts[event["event"]] += 1

    def clear(self) -> None:
        """Delete all records."""
        self.events.clear()
        self.counts.clear()

    def render(self, world: World) -> Json:
        """Render the counts of events by name, all events in order (`log`), and each vehicle with all its states.

        Deleted vehicles are included. `vehicle` is Enode's current record, or the last one if `linked` is false.
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
