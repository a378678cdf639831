"""The daily life of a car that nobody commands: out, parked, home, parked, charge, away again. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from demo.enode.physics import Build, CarState, Power, drive, park, switch

MINUTE = 60.0


class Stage(StrEnum):
    """Where in its day a car is."""

    OUTBOUND = "outbound"
    AT_WORK = "at_work"
    HOMEBOUND = "homebound"
    AT_HOME = "at_home"
    ON_CABLE = "on_cable"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One stage of the day: how it begins, when it is over (state, seconds in it), what follows."""

    begin: Callable[[Build, CarState], CarState]
    over: Callable[[CarState, float], bool]
    then: Stage


def _stands(minutes: float) -> Callable[[CarState, float], bool]:
    return lambda _state, seconds: seconds >= minutes * MINUTE


def _has_arrived(state: CarState, _seconds: float) -> bool:
    return not state.driving


def _leaves_cable(state: CarState, seconds: float) -> bool:
    # A charge that somebody stopped is not started again behind his back: the car waits for its next departure.
    return state.power is Power.COMPLETE or seconds >= 8 * 60 * MINUTE


DAY: dict[Stage, Row] = {
    Stage.OUTBOUND: Row(begin=lambda b, s: drive(s, b.loop_km / 2), over=_has_arrived, then=Stage.AT_WORK),
    Stage.AT_WORK: Row(begin=lambda _, s: park(s), over=_stands(15), then=Stage.HOMEBOUND),
    Stage.HOMEBOUND: Row(begin=lambda b, s: drive(s, b.loop_km), over=_has_arrived, then=Stage.AT_HOME),
    Stage.AT_HOME: Row(begin=lambda _, s: park(s), over=_stands(5), then=Stage.ON_CABLE),
    Stage.ON_CABLE: Row(begin=lambda _, s: switch(s, Power.INITIALIZING), over=_leaves_cable, then=Stage.FULL),
    Stage.FULL: Row(begin=lambda _, s: s, over=_stands(10), then=Stage.OUTBOUND),
}


def stage_of(build: Build, state: CarState) -> Stage:
    """The stage in which a car resumes its day after somebody commanded it."""
    if state.driving:
        return Stage.OUTBOUND if state.loop_km < build.loop_km / 2 else Stage.HOMEBOUND
    return Stage.ON_CABLE if state.power.plugged_in else Stage.AT_HOME


def resume(build: Build, state: CarState) -> tuple[Stage, CarState]:
    """Back to daily life from wherever the car is."""
    stage = stage_of(build, state)
    return stage, state if state.power.plugged_in else DAY[stage].begin(build, state)


def live(build: Build, state: CarState, stage: Stage, seconds: float) -> tuple[Stage, CarState] | None:
    """The next stage and its beginning if this one is over after `seconds` in it; None while it lasts."""
    row = DAY[stage]
    if not row.over(state, seconds):
        return None
    return row.then, DAY[row.then].begin(build, state)
