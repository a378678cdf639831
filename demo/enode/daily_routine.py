"""The daily life of a car that nobody commands: out, parked, home, parked, charge, away again. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from demo.enode.physics import CarSpec, CarState, Power, park_car, start_drive, with_power

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
class StageRule:
    """One stage of the day: how it begins, when it is over (state, seconds in it), what follows."""

    begin: Callable[[CarSpec, CarState], CarState]
    is_over: Callable[[CarState, float], bool]
    next_stage: Stage


def _after_minutes(minutes: float) -> Callable[[CarState, float], bool]:
    return lambda _state, seconds: seconds >= minutes * MINUTE


def _has_arrived(state: CarState, _seconds: float) -> bool:
    return not state.driving


def _has_finished_charging(state: CarState, seconds: float) -> bool:
    # A charge that somebody stopped is not started again behind his back: the car waits for its next departure.
    return state.power is Power.COMPLETE or seconds >= 8 * 60 * MINUTE


DAILY_ROUTINE: dict[Stage, StageRule] = {
    Stage.OUTBOUND: StageRule(
        begin=lambda b, s: start_drive(s, b.loop_km / 2), is_over=_has_arrived, next_stage=Stage.AT_WORK
    ),
    Stage.AT_WORK: StageRule(begin=lambda _, s: park_car(s), is_over=_after_minutes(15), next_stage=Stage.HOMEBOUND),
    Stage.HOMEBOUND: StageRule(
        begin=lambda b, s: start_drive(s, b.loop_km), is_over=_has_arrived, next_stage=Stage.AT_HOME
    ),
    Stage.AT_HOME: StageRule(begin=lambda _, s: park_car(s), is_over=_after_minutes(5), next_stage=Stage.ON_CABLE),
    Stage.ON_CABLE: StageRule(
        begin=lambda _, s: with_power(s, Power.INITIALIZING), is_over=_has_finished_charging, next_stage=Stage.FULL
    ),
    Stage.FULL: StageRule(begin=lambda _, s: s, is_over=_after_minutes(10), next_stage=Stage.OUTBOUND),
}


def find_stage(spec: CarSpec, state: CarState) -> Stage:
    """The stage in which a car resumes its day after somebody commanded it."""
    if state.driving:
        return Stage.OUTBOUND if state.loop_km < spec.loop_km / 2 else Stage.HOMEBOUND
    return Stage.ON_CABLE if state.power.is_plugged_in else Stage.AT_HOME


def resume_routine(spec: CarSpec, state: CarState) -> tuple[Stage, CarState]:
    """Back to daily life from wherever the car is."""
    stage = find_stage(spec, state)
    return stage, state if state.power.is_plugged_in else DAILY_ROUTINE[stage].begin(spec, state)


def advance_routine(spec: CarSpec, state: CarState, stage: Stage, seconds: float) -> tuple[Stage, CarState] | None:
    """The next stage and its beginning if this one is over after `seconds` in it; None while it lasts."""
    row = DAILY_ROUTINE[stage]
    if not row.is_over(state, seconds):
        return None
    return row.next_stage, DAILY_ROUTINE[row.next_stage].begin(spec, state)
