"""Simulate a random day: what physically happened, and what Enode observed at each poll."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

from demo.enode.physics import Power, advance_car
from demo.enode.problems import Json
from demo.enode.vehicle_view import build_discovered_vehicle, build_observed_vehicle
from demo.enode.world import Vehicle
from tests.oracle.activities import HOUR, MAX_PLUG_INS_AT_HOME, Leg, plan_next
from tests.oracle.car_profiles import CarProfile, create_profile

START = datetime(2026, 5, 4, 6, 0, tzinfo=UTC)
ACTIVE_TICK = 20.0  # the physics' own step
IDLE_TICK = 60.0
MAX_LEGS = 60
DURATIONS = (2 * HOUR, 5 * HOUR, 12 * HOUR, 24 * HOUR, 24 * HOUR, 40 * HOUR)
SILENCES = (0.7 * HOUR, 2 * HOUR, 5 * HOUR, 11 * HOUR, 30 * HOUR)
# Of the vehicle object, what the physics change or the relay needs: a smaller object makes more days a minute.
MEMBERS = ("id", "userId", "vendor", "isReachable", "chargeState", "location", "odometer")
USER_ID, VEHICLE_ID = "oracle-user", "oracle-vehicle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What the vendor told Enode `at` seconds. `view` is the vehicle object without times of its groups."""

    at: float
    view: Json = field(repr=False)
    reachable: bool = True
    # Set by faults: times of groups and of the event that are wrong, in seconds.
    stamps: dict[str, float] = field(default_factory=dict)
    created_at: float | None = None


@dataclass(slots=True, kw_only=True)
class Interval:
    """The truth between two polls. Energies are the battery's, in kWh; `other_kwh` is what neither charged nor gave."""

    start: float
    end: float = 0.0
    charged_kwh: float = 0.0
    discharged_kwh: float = 0.0
    other_kwh: float = 0.0
    min_kw: float = float("inf")
    max_kw: float = 0.0
    was_plugged_in: bool = False
    was_moved: bool = False

    @property
    def hours(self) -> float:
        return (self.end - self.start) / HOUR

    @property
    def spread_kwh(self) -> float:
        """By how much a power that was true at some moment of the interval can miss its energy."""
        return (self.max_kw - min(self.min_kw, self.max_kw)) * self.hours


@dataclass(slots=True, kw_only=True)
class Flow:
    """Energy that flowed through the plug without interruption."""

    plug: int  # the number of the plug-in
    start: float
    end: float
    kwh: float = 0.0
    max_kw: float = 0.0
    at_home: bool
    is_discharge: bool = False


@dataclass(slots=True, kw_only=True)
class Day:
    """A simulated day. `intervals[i]` is the time from `polls[i]` to `polls[i + 1]`."""

    seed: int
    profile: CarProfile
    legs: list[tuple[float, str]] = field(default_factory=list)
    polls: list[Poll] = field(default_factory=list)
    intervals: list[Interval] = field(default_factory=list)
    flows: list[Flow] = field(default_factory=list)
    end: float = 0.0

    @property
    def charged_kwh(self) -> float:
        return sum(flow.kwh for flow in self.flows if not flow.is_discharge)


def format_time(seconds: float) -> datetime:
    return START + timedelta(milliseconds=round(seconds * 1000))


def simulate_day(seed: int, change_profile: Callable[[CarProfile], CarProfile] | None = None) -> Day:
    """Simulate the day of this seed. The same seed always gives the same day."""
    random = Random(seed)  # noqa: S311 - reproducible, not secret
    profile = create_profile(random)
    if change_profile is not None:
        profile = change_profile(profile)
    simulation = _Simulation(Day(seed=seed, profile=profile), random)
    simulation.run(random.choice(DURATIONS))
    return simulation.day


class _Simulation:
    def __init__(self, day: Day, random: Random) -> None:
        self.day = day
        self.now = 0.0
        self._random = random
        self._car = day.profile.car
        self._spec = day.profile.spec
        self._vehicle = _create_vehicle(day.profile)
        self._next_poll = 0.0
        self._plug = 0
        self._plug_at_move = 0
        self._is_full = self._has_returned = False
        self._flow: Flow | None = None
        self._silence: tuple[float, float] = (-1.0, -1.0)

    def run(self, duration: float) -> None:
        if self._random.random() < 0.35:
            start = self._random.uniform(0, duration)
            self._silence = (start, start + self._random.choice(SILENCES))
        self._poll("usual")
        legs = 0
        while (self.now < duration or self.now < self._silence[1]) and legs < MAX_LEGS:
            for leg in plan_next(self._random, self.day.profile, self._car.state, self._count_plug_ins()):
                self._run_leg(leg)
                legs += 1
        # A car at rest at last, so that what happened before is reported.
        self._run_leg(Leg(name="end", change=lambda _, state: replace(state, drain_kw=0.0), seconds=HOUR))
        self._poll("usual")
        self.day.end = self.now

    def _count_plug_ins(self) -> int:
        """Plug-ins since the car last moved. A full car is plugged in again where it stands once a day at most."""
        plug_ins = self._plug - self._plug_at_move
        return MAX_PLUG_INS_AT_HOME if plug_ins and self._is_full and self._has_returned else plug_ins

    def _run_leg(self, leg: Leg) -> None:
        self.day.legs.append((self.now, leg.name))
        before = self._car.state
        self._set_state(leg.change(self._spec, before))
        self._count_plug(before.power)
        end = self.now + leg.seconds
        self._poll_if_due(leg, is_changed=self._car.state.power is not before.power)
        while self.now < end:
            power, driving = self._car.state.power, self._car.state.driving
            self._tick(min(self._get_tick(), end - self.now, max(1.0, self._next_poll - self.now)))
            state = self._car.state
            self._poll_if_due(leg, is_changed=state.power is not power)
            is_done = (driving and not state.driving) or (power.is_plugged_in and state.power in _DONE)
            if leg.until_done and is_done:
                return

    def _get_tick(self) -> float:
        state = self._car.state
        is_active = state.driving or state.power in {Power.INITIALIZING, Power.CHARGING, Power.DISCHARGING}
        return ACTIVE_TICK if is_active else IDLE_TICK * 15 if state.drain_kw == 0 else IDLE_TICK

    def _set_state(self, state) -> None:
        self._car = replace(self._car, state=state)

    def _count_plug(self, before: Power) -> None:
        if self._car.state.power.is_plugged_in and not before.is_plugged_in:
            self._has_returned |= self._is_full
            self._plug += 1
        if self._car.state.driving:
            self._plug_at_move, self._is_full = self._plug, False
        if self._flow is not None and self._car.state.power is not before:
            self._flow = None

    def _tick(self, seconds: float) -> None:
        before = self._car.state
        after = advance_car(self._spec, before, seconds)
        self._is_full |= after.power is Power.COMPLETE
        self._set_state(after)
        self.now += seconds
        gained = after.energy_kwh - before.energy_kwh
        charged = max(0.0, gained) if before.power is Power.CHARGING else 0.0
        discharged = max(0.0, -gained) if before.power is Power.DISCHARGING else 0.0
        kw = charged / (seconds / HOUR)
        interval = self.day.intervals[-1]
        interval.charged_kwh += charged
        interval.discharged_kwh += discharged
        interval.other_kwh += gained - charged + discharged
        interval.min_kw, interval.max_kw = min(interval.min_kw, kw), max(interval.max_kw, kw)
        interval.was_plugged_in |= before.power.is_plugged_in or after.power.is_plugged_in
        interval.was_moved |= before.driving or after.loop_km != before.loop_km
        if charged or discharged:
            self._extend_flow(seconds, charged or discharged, kw, is_discharge=discharged > 0)
        if after.power is not before.power:
            self._flow = None

    def _extend_flow(self, seconds: float, kwh: float, kw: float, *, is_discharge: bool) -> None:
        if self._flow is None:
            at_home = self._car.state.loop_km == 0
            start = self.now - seconds
            self._flow = Flow(plug=self._plug, start=start, end=self.now, at_home=at_home, is_discharge=is_discharge)
            self.day.flows.append(self._flow)
        self._flow.end = self.now
        self._flow.kwh += kwh
        self._flow.max_kw = max(self._flow.max_kw, kw)

    def _poll_if_due(self, leg: Leg, *, is_changed: bool) -> None:
        if self.now >= self._next_poll or (is_changed and self.day.profile.reporting.pushes):
            self._poll(leg.contact)

    def _poll(self, contact: str) -> None:
        reporting = self.day.profile.reporting
        is_charging = self._car.state.power is Power.CHARGING
        self._next_poll = self.now + (reporting.poll_charging if is_charging else reporting.poll_idle)
        if contact == "silent" or self._silence[0] <= self.now < self._silence[1]:
            return
        full = build_observed_vehicle(self._car, self._vehicle, valid=True, now="", location_id=None)
        view = {name: full[name] for name in MEMBERS}
        if contact == "unreachable":
            known = self.day.polls[-1].view if self.day.polls else view
            view = {**known, "isReachable": False}
        if self.day.polls and self.day.polls[-1].at == self.now:
            self.day.polls[-1] = replace(self.day.polls[-1], view=view, reachable=contact != "unreachable")
            return
        if self.day.polls:
            self.day.intervals[-1].end = self.now
        self.day.polls.append(Poll(at=self.now, view=view, reachable=contact != "unreachable"))
        self.day.intervals.append(Interval(start=self.now, end=self.now))


_DONE = frozenset({Power.COMPLETE, Power.STOPPED, Power.UNPLUGGED})


def _create_vehicle(profile: CarProfile) -> Vehicle:
    vehicle = Vehicle(
        id=VEHICLE_ID,
        user_id=USER_ID,
        vendor=profile.car.generated.vendor,
        car_key=profile.car.key,
        scopes=("vehicle:read:data", "vehicle:read:location", "vehicle:control:charging"),
        linked_at="",
        shown={},
        next_look=0.0,
        policy={"isEnabled": False, "deadline": None, "minimumChargeLimit": 0},
        smart_changed_at="",
    )
    return replace(vehicle, shown=build_discovered_vehicle(profile.car, vehicle))
