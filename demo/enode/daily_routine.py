"""The daily routine of a car without commands: drive out, park, drive home, park, charge. Pure functions."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from demo.enode.physics import CarSpec, CarState, Power, park_car, start_drive, with_power

MINUTE = 60.0


class Stage(StrEnum):
    """A stage of the daily routine."""

    OUTBOUND = "outbound"
    AT_WORK = "at_work"
    HOMEBOUND = "homebound"
    AT_HOME = "at_home"
    ON_CABLE = "on_cable"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRule:
    """How a stage begins, when it is over (given the state and the seconds in the stage), and which one follows."""

    begin: Callable[[CarSpec, CarState], CarState]
    is_over: Callable[[CarState, float], bool]
    next_stage: Stage


def _after_minutes(minutes: float) -> Callable[[CarState, float], bool]:
    return lambda _state, seconds: seconds >= minutes * MINUTE


def _has_arrived(state: CarState, _seconds: float) -> bool:
    return not state.driving


def _has_finished_charging(state: CarState, seconds: float) -> bool:
    # A charge that a command stopped is not restarted: the car stays plugged in until its next departure.
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
    """Return the stage in which a car resumes its routine after a command."""
    if state.driving:
        return Stage.OUTBOUND if state.loop_km < spec.loop_km / 2 else Stage.HOMEBOUND
    return Stage.ON_CABLE if state.power.is_plugged_in else Stage.AT_HOME


def resume_routine(spec: CarSpec, state: CarState) -> tuple[Stage, CarState]:
    """Resume the routine from the car's present state. Returns the stage and the new state."""
    stage = find_stage(spec, state)
    return stage, state if state.power.is_plugged_in else DAILY_ROUTINE[stage].begin(spec, state)


def advance_routine(spec: CarSpec, state: CarState, stage: Stage, seconds: float) -> tuple[Stage, CarState] | None:
    """Return the next stage and its first state if this one is over after `seconds` in it; otherwise None."""
    rule = DAILY_ROUTINE[stage]
    if not rule.is_over(state, seconds):
        return None
    return rule.next_stage, DAILY_ROUTINE[rule.next_stage].begin(spec, state)
