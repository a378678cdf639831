"""The simulator's ground truth and the expected results, derived here from semantics.md without the relay's code."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from operator import itemgetter


@dataclass(frozen=True, kw_only=True)
class ExpectedSession:
    """Charging within one plug-in. Energy in kWh."""

    started_at: datetime
    ended_at: datetime
    energy: float


class VehicleHistory:
    """All states of one car that were sent in events, in order, under all ids that Enode gave it.

    `enode_ids` in the order of its links. `is_linked`: it is linked now, under the last of them.
    """

    def __init__(self) -> None:
        self.enode_ids: list[str] = []
        self.is_linked = False
        self.states: list[dict] = []

    def add_link(self, enode_id: str, row: dict) -> None:
        """Add the states of the next link. `row` is the simulator's row of the vehicle with that id."""
        self.enode_ids.append(enode_id)
        self.is_linked = row["linked"]
        # `discovered` events carry an id and little else: nothing is derived from them.
        self.states += [state["vehicle"] for state in row["states"] if state["event"] == "user:vehicle:updated"]

    @property
    def user(self) -> str:
        return self.current["userId"]

    @property
    def vin(self) -> str:
        return self.current["information"]["vin"]

    @property
    def current(self) -> dict:
        """The newest vehicle object that was sent."""
        return self.states[-1]

    @property
    def transitions(self) -> list[str]:
        """The expected transitions of plug and charging, in order."""
        transitions = []
        for before, after in pairwise(state["chargeState"] for state in self.states):
            transitions += ["plugged_in"] * (not before["isPluggedIn"] and after["isPluggedIn"])
            transitions += ["charging_started"] * (not before["isCharging"] and after["isCharging"])
            transitions += ["charging_stopped"] * (before["isCharging"] and not after["isCharging"])
            transitions += ["unplugged"] * (before["isPluggedIn"] and not after["isPluggedIn"])
        return transitions

    @property
    def sessions(self) -> list[ExpectedSession]:
        """The expected sessions: power is constant between two readings, and pauses of seconds belong to a session."""
        sessions: list[ExpectedSession] = []
        is_continued = False
        readings = self._list_charge_readings()
        for (start, charge), (end, _) in pairwise([*readings, readings[-1]]):
            if charge["isCharging"]:
                session = (
                    sessions.pop() if is_continued else ExpectedSession(started_at=start, ended_at=start, energy=0.0)
                )
                energy = charge["chargeRate"] * (end - start).total_seconds() / 3600
                sessions.append(replace(session, ended_at=end, energy=session.energy + energy))
            is_continued = charge["isCharging"] or (is_continued and charge["isPluggedIn"])
        return sessions

    def _list_charge_readings(self) -> list[tuple[datetime, dict]]:
        """Return the charge states by their own time. Of several with the same time, the last one counts."""
        readings = {
            datetime.fromisoformat(state["chargeState"]["lastUpdated"]): state["chargeState"] for state in self.states
        }
        return sorted(readings.items(), key=itemgetter(0))


class GroundTruth:
    """The history of every car by its VIN, and every user event that was created."""

    def __init__(self, document: dict) -> None:
        self.events: list[dict] = document["log"]
        self.vehicles: dict[str, VehicleHistory] = {}
        for enode_id, row in document["vehicles"].items():  # in the order in which they were linked
            vin = row["vehicle"]["information"]["vin"]
            self.vehicles.setdefault(vin, VehicleHistory()).add_link(enode_id, row)

    def find_vehicle(self, record: dict) -> VehicleHistory:
        """Return the history of the car that this record of an installation is about."""
        return self.vehicles[record["vehicle"]["information"]["vin"]]

    @property
    def action_states(self) -> dict[str, str]:
        """The newest state of each of Enode's actions that was sent in an event, by the action's id."""
        name = "user:vendor-action:updated"
        actions = [event["vendorAction"] for event in self.events if event["event"] == name]
        return {action["id"]: action["state"] for action in actions}


def is_subsequence(part: list[str], sequence: list[str]) -> bool:
    """Return whether `part` is `sequence` with elements left out."""
    remaining = iter(sequence)
    return all(element in remaining for element in part)


def hash_event(event: dict) -> str:
    """Return a hash of the complete event, as its identity."""
    return hashlib.sha256(json.dumps(event, sort_keys=True).encode()).hexdigest()
