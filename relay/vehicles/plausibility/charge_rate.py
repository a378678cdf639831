"""The charge rate: watts reported as kilowatts, a rate that is missing, and stale rates. Pure functions."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from relay.vehicles.plausibility.raw_samples import ChargeMembers

MIN_ESTIMATE_SPAN = timedelta(minutes=10)
"""The shortest time over which a charge rate is estimated; reports are two minutes apart."""
MAX_ESTIMATE_AGE = timedelta(hours=1)
"""How long an estimated charge rate is shown without another rise of the level."""
MAX_CHARGE_RATE_KW = 400.0

RATE_IN_WATTS = "chargeRate:watts"
RATE_OUT_OF_RANGE = "chargeRate:outOfRange"
WATTS_PER_KW = 1000.0
MIN_WATTS = 500.0
"""A smaller number isn't read as watts: no vehicle charges with less for long."""
MAX_WATTS_DEVIATION = 2.0
"""By how much the rise of the level may differ from the rate for both to agree: levels are rounded."""
MAX_RATE_PER_KWH = 12.0
"""A greater power for each kWh of capacity isn't believed until the level shows it: the battery would be full in five
minutes. The fastest take ten (BYD's 10C charging, 2025)."""
MAX_CAPACITY_KWH = 1000.0
"""Assumed where the capacity is unknown: that of the largest trucks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EstimateMemory:
    """A charging vehicle's last level, when it last rose, where the estimate starts, and the estimated rate."""

    at: datetime
    level: float
    rose_at: datetime | None = None
    begun_at: datetime | None = None
    begun: float | None = None
    rate: float | None = None

    def get_current_rate(self, now: datetime) -> float | None:
        """The estimated rate, None once it is too old."""
        is_current = self.rose_at is not None and now - self.rose_at <= MAX_ESTIMATE_AGE
        return self.rate if is_current else None


def update_estimate(memory: EstimateMemory | None, at: datetime, charge: ChargeMembers) -> EstimateMemory | None:
    """The new memory of the level of a charging vehicle; None if it isn't charging, or level or capacity are unknown.

    Most vendors report whole percents, so the level is exact only at the moment it changes. The estimate uses the time
    between two rises that are at least MIN_ESTIMATE_SPAN apart. The first level doesn't start an estimate, because it
    is unknown when the level reached that percent.
    """
    level, capacity = charge.level, charge.capacity
    is_charging = charge.charging is True and charge.plugged_in is not False
    if not is_charging or level is None or capacity is None:
        return None
    if memory is None or at < memory.at or level < memory.level:
        return EstimateMemory(at=at, level=level)  # start again after a falling level
    updated = replace(memory, at=at, level=level)
    if level == memory.level:
        return updated
    updated = replace(updated, rose_at=at)
    if memory.begun_at is None or memory.begun is None:
        return replace(updated, begun_at=at, begun=level)
    if at - memory.begun_at < MIN_ESTIMATE_SPAN:
        return updated
    rate = capacity * (level - memory.begun) / 100 / ((at - memory.begun_at) / timedelta(hours=1))
    return replace(updated, begun_at=at, begun=level, rate=round(rate, 1) if rate <= MAX_CHARGE_RATE_KW else None)


@dataclass(frozen=True, kw_only=True, slots=True)
class FastCharge:
    """A vehicle that charges with a rate that may be in watts: since when, its level then, its smallest rate since."""

    since: datetime
    level: float
    rate: float


def update_fast_charge(memory: FastCharge | None, at: datetime, charge: ChargeMembers) -> FastCharge | None:
    """The new memory of a rate that may be in watts; None for any other rate."""
    rate, level = charge.rate, charge.level
    if charge.is_charging is not True or rate is None or level is None or rate < MIN_WATTS:
        return None
    if memory is None:
        return FastCharge(since=at, level=level, rate=rate)
    return replace(memory, rate=min(memory.rate, rate))


def is_rate_disproved(fast: FastCharge | None, at: datetime, charge: ChargeMembers, step: float) -> bool:
    """Whether the level rose by less than half of what a rate would have charged, or doesn't yet show a doubtful one.

    `step` is that of the level, by which it may lag behind.
    """
    if fast is None or charge.level is None:
        return False
    rise = max(0.0, charge.level - fast.level)
    expected = fast.rate * ((at - fast.since) / timedelta(hours=1)) / (charge.capacity or MAX_CAPACITY_KWH) * 100
    if charge.capacity is not None and fast.rate > MAX_RATE_PER_KWH * charge.capacity:
        return rise == 0 or expected > MAX_WATTS_DEVIATION * rise
    return expected > MAX_WATTS_DEVIATION * (rise + step)


def convert_watts(charge: ChargeMembers) -> tuple[ChargeMembers, tuple[str, ...]]:
    """`charge` with a rate in watts converted to kilowatts."""
    if charge.rate is None or abs(charge.rate) < MIN_WATTS:
        return charge, ()
    return replace(charge, rate=charge.rate / WATTS_PER_KW), (RATE_IN_WATTS,)


def is_rate_in_watts(rate: float | None, estimated_kw: float | None) -> bool:
    """Whether a rate is plausible as watts and agrees with the rise of the level."""
    if rate is None or abs(rate) < MIN_WATTS or not estimated_kw:
        return False
    deviation = abs(rate) / WATTS_PER_KW / estimated_kw
    return 1 / MAX_WATTS_DEVIATION <= deviation <= MAX_WATTS_DEVIATION


def remove_stale_companions(charge: ChargeMembers, *, charging: bool | None) -> tuple[ChargeMembers, tuple[str, ...]]:
    """`charge` without rate and remaining time unless the vehicle charges. A rate of 0 isn't stale."""
    if charging is True:
        return charge, ()
    names = []
    if charge.rate:
        charge = replace(charge, rate=None)
        names.append("chargeRate:notCharging")
    if charge.minutes_left is not None:
        charge = replace(charge, minutes_left=None)
        names.append("chargeTimeRemaining:notCharging")
    return charge, tuple(names)
