"""The fold over a vehicle's raw samples: the plausibility stage, then the derivation of periods. Pure functions.

The same samples give the same result in whatever order they arrived: recording processes the newest one alone and all
of them again when one is late, and `evconduit sessions recompute` does the same.
"""

from collections.abc import Iterable
from dataclasses import replace

from relay.vehicles.charging.derivation import DerivationState, derive_periods
from relay.vehicles.charging.periods import ChargingPeriod
from relay.vehicles.plausibility.raw_samples import RawSample
from relay.vehicles.plausibility.stage import check_samples


def process_samples(
    start: DerivationState, samples: Iterable[RawSample]
) -> tuple[list[ChargingPeriod], DerivationState]:
    """The proven periods from the newest one of `start` on, and the state after the last of `samples`.

    `samples` are in order of time, and newer than those in `start`.
    """
    plausibility, believed = check_samples(start.plausibility, samples)
    periods, state = derive_periods(start, believed)
    return periods, replace(state, plausibility=plausibility)
