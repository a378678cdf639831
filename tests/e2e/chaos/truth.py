"""The truth of the simulator, and what follows from it: computed here from what semantics.md says, not by the relay."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from operator import itemgetter


@dataclass(frozen=True, kw_only=True)
class Session:
    """Charging within one plug-in. Energy in kWh."""

    started_at: datetime
    ended_at: datetime
    energy: float


class CarTruth:
    """One car: all states that were told of it, in the order in which they happened."""

    def __init__(self, row: dict) -> None:
        # `discovered` knows a name and little else: nothing follows from it.
        self.states = [it["vehicle"] for it in row["states"] if it["event"] == "user:vehicle:updated"]

    @property
    def user(self) -> str:
        return self.states[-1]["userId"]

    @property
    def now(self) -> dict:
        """The newest object that was told."""
        return self.states[-1]

    @property
    def transitions(self) -> list[str]:
        """What happened to the plug and the current."""
        found = []
        for was, now in pairwise(it["chargeState"] for it in self.states):
            found += ["plugged_in"] * (not was["isPluggedIn"] and now["isPluggedIn"])
            found += ["charging_started"] * (not was["isCharging"] and now["isCharging"])
            found += ["charging_stopped"] * (was["isCharging"] and not now["isCharging"])
            found += ["unplugged"] * (was["isPluggedIn"] and not now["isPluggedIn"])
        return found

    @property
    def sessions(self) -> list[Session]:
        """A power holds until the car says otherwise; pauses of seconds are part of the session."""
        found: list[Session] = []
        joined = False
        moments = self._moments()
        for (at, charge), (then, _) in pairwise([*moments, moments[-1]]):
            if charge["isCharging"]:
                so_far = found.pop() if joined else Session(started_at=at, ended_at=at, energy=0.0)
                energy = charge["chargeRate"] * (then - at).total_seconds() / 3600
                found.append(replace(so_far, ended_at=then, energy=so_far.energy + energy))
            joined = charge["isCharging"] or (joined and charge["isPluggedIn"])
        return found

    def _moments(self) -> list[tuple[datetime, dict]]:
        """The charge states by the time at which they were true. Of one moment the last word counts."""
        moments = {moment(it["chargeState"]["lastUpdated"]): it["chargeState"] for it in self.states}
        return sorted(moments.items(), key=itemgetter(0))


class Truth:
    """The whole of it: every car by Enode's id, and every event of a user that was made."""

    def __init__(self, told: dict) -> None:
        self.cars = {name: CarTruth(row) for name, row in told["vehicles"].items()}
        self.events: list[dict] = told["log"]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def is_subsequence(some: list[str], whole: list[str]) -> bool:
    """Whether `some` is `whole` with things left out."""
    rest = iter(whole)
    return all(it in rest for it in some)


def digest(event: dict) -> str:
    """Names an event by all that it says."""
    return hashlib.sha256(json.dumps(event, sort_keys=True).encode()).hexdigest()
