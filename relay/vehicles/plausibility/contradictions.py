"""Decide whether a vehicle is plugged in, charges or discharges where its flags contradict each other. Pure functions.

Precedence, strongest first: the state DISCHARGING, the level's direction, isPluggedIn, the sign of chargeRate,
powerDeliveryState, isCharging.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from relay.vehicles.plausibility.movement import Position, has_moved
from relay.vehicles.plausibility.raw_samples import (
    ASSUMED_STEP,
    CHARGING,
    COMPLETE,
    DISCHARGING,
    FAULT,
    PLUGGED_IN_PREFIX,
    STOPPED,
    UNPLUGGED,
    ChargeMembers,
)

MIN_DISCHARGE_KW = 0.5
"""A smaller negative rate is what the vehicle's electronics need."""

IDLE_STATES = frozenset({STOPPED, COMPLETE, "PLUGGED_IN:NO_POWER", FAULT})
"""States in which the battery isn't charging. INITIALIZING isn't among them: a vendor may call it charging."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimMemory:
    """The level, and the position, at which a vehicle began to report something that its other flags contradict."""

    kind: str
    level: float
    position: Position
    is_proven: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What the flags and the level show. `rose`, `fell`: by a step since the claim began, while parked."""

    charge: ChargeMembers
    has_charger: bool
    rose: bool
    fell: bool

    @property
    def has_cable_state(self) -> bool:
        """Whether the state is one of a vehicle that is plugged in."""
        return (self.charge.state or "").startswith(PLUGGED_IN_PREFIX)

    @property
    def claims_charging(self) -> bool:
        """Whether the flag or the state reports charging."""
        return self.charge.charging is True or self.charge.state == CHARGING

    @property
    def has_negative_rate(self) -> bool:
        """Whether the rate shows that energy leaves the battery."""
        return self.charge.rate is not None and self.charge.rate <= -MIN_DISCHARGE_KW


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What the vehicle does. None: keep what it reports."""

    name: str
    plugged_in: bool | None
    charging: bool | None
    discharging: bool = False


type Condition = Callable[[Evidence], bool]

# The first row that applies decides.
PRECEDENCE: tuple[tuple[Condition, Decision], ...] = (
    (
        lambda seen: seen.charge.state == DISCHARGING,
        Decision(name="powerDeliveryState", plugged_in=True, charging=False, discharging=True),
    ),
    (
        lambda seen: seen.charge.plugged_in is False and seen.claims_charging and seen.rose,
        Decision(name="batteryLevel", plugged_in=True, charging=True),
    ),
    (
        lambda seen: seen.charge.plugged_in is False and not (seen.has_charger and seen.has_cable_state),
        Decision(name="isPluggedIn", plugged_in=False, charging=False),
    ),
    (
        lambda seen: seen.has_negative_rate and seen.claims_charging and seen.fell and seen.charge.state != UNPLUGGED,
        Decision(name="chargeRate", plugged_in=True, charging=False, discharging=True),
    ),
    (
        lambda seen: (
            seen.has_negative_rate
            and not seen.claims_charging
            and not seen.rose
            and seen.charge.is_plugged_in is True
            and seen.charge.state != UNPLUGGED
        ),
        Decision(name="chargeRate", plugged_in=True, charging=False, discharging=True),
    ),
    (
        lambda seen: seen.charge.state in IDLE_STATES,
        Decision(name="powerDeliveryState", plugged_in=True, charging=False),
    ),
    (
        lambda seen: seen.charge.state == CHARGING,
        Decision(name="powerDeliveryState", plugged_in=True, charging=True),
    ),
    (
        lambda seen: seen.charge.state == UNPLUGGED and seen.charge.plugged_in is True and seen.rose,
        Decision(name="batteryLevel", plugged_in=True, charging=True),
    ),
    (
        lambda seen: seen.charge.state == UNPLUGGED and seen.charge.plugged_in is True,
        Decision(name="isPluggedIn", plugged_in=True, charging=False),
    ),
    (
        lambda seen: seen.charge.state == UNPLUGGED,
        Decision(name="powerDeliveryState", plugged_in=False, charging=False),
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """The charge state without contradictions, the names of the rules that changed it, and the claim to remember."""

    charge: ChargeMembers
    names: tuple[str, ...]
    discharging: bool
    memory: ClaimMemory | None


def resolve_contradictions(
    memory: ClaimMemory | None, charge: ChargeMembers, position: Position, *, has_charger: bool, step: float | None
) -> Resolved:
    """`charge` with flags and state that agree."""
    memory = _update_claim(memory, charge, position)
    change = 0.0 if memory is None or charge.level is None else charge.level - memory.level
    is_parked = memory is not None and has_moved(memory.position, position) is not True
    enough = step or ASSUMED_STEP
    is_proven = memory is not None and (memory.is_proven or (is_parked and change >= enough))
    if memory is not None:
        memory = replace(memory, is_proven=is_proven)
    seen = Evidence(charge=charge, has_charger=has_charger, rose=is_proven, fell=is_parked and change <= -enough)
    decision = next((decision for applies, decision in PRECEDENCE if applies(seen)), None)
    if decision is None:
        return Resolved(charge=charge, names=(), discharging=False, memory=memory)
    resolved = _apply_decision(charge, decision)
    return Resolved(
        charge=resolved,
        names=_name_changes(charge, resolved, decision),
        discharging=decision.discharging,
        memory=memory,
    )


def _update_claim(memory: ClaimMemory | None, charge: ChargeMembers, position: Position) -> ClaimMemory | None:
    """The claim that the level can prove: it is remembered from its first report on, until the flags agree again."""
    claims_charging = charge.charging is True or charge.state == CHARGING
    if claims_charging and (charge.plugged_in is False or charge.state == UNPLUGGED):
        kind = "unplugged"
    elif charge.rate is not None and charge.rate <= -MIN_DISCHARGE_KW:
        kind = "negative"
    else:
        return None
    if memory is not None and memory.kind == kind:
        return memory
    return None if charge.level is None else ClaimMemory(kind=kind, level=charge.level, position=position)


def _apply_decision(charge: ChargeMembers, decision: Decision) -> ChargeMembers:
    """`charge` as decided. A flag that the vehicle doesn't report stays unknown, and a state that agrees stays."""
    return replace(
        charge,
        state=_get_agreeing_state(charge, decision),
        plugged_in=decision.plugged_in if charge.plugged_in is not None else None,
        charging=decision.charging if charge.charging is not None else None,
    )


def _get_agreeing_state(charge: ChargeMembers, decision: Decision) -> str | None:
    state = charge.state
    if decision.discharging:
        return DISCHARGING
    if decision.plugged_in is False:
        return UNPLUGGED if state is not None and state.startswith(PLUGGED_IN_PREFIX) else state
    if decision.charging:
        return CHARGING if state == UNPLUGGED or state in IDLE_STATES else state
    if state == UNPLUGGED:
        return COMPLETE if charge.full is True else STOPPED
    return state


def _name_changes(before: ChargeMembers, after: ChargeMembers, decision: Decision) -> tuple[str, ...]:
    names = []
    if before.plugged_in != after.plugged_in:
        names.append(f"isPluggedIn:{decision.name}")
    if before.state != after.state:
        names.append(f"powerDeliveryState:{decision.name}")
    if before.charging != after.charging:
        names.append("isCharging:powerDeliveryState")
    return tuple(names)
