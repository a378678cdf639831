"""The fold over a vehicle's raw samples: the plausibility stage, then the derivation of periods. Pure functions.

The same samples give the same result in whatever order they arrived: recording processes the newest one alone and all
of them again when one is late, and `evconduit sessions recompute` does the same.
"""

from collections.abc import Iterable
from dataclasses import replace

from relay.vehicles.charging.counters import LAG
from relay.vehicles.charging.derivation import Derivation, DerivationState, derive
from relay.vehicles.plausibility.raw_samples import RawSample
from relay.vehicles.plausibility.stage import check_samples


def process_samples(start: DerivationState, samples: Iterable[RawSample]) -> Derivation:
    """What follows from `samples`, which are in order of time and newer than those in `start`."""
    plausibility, checked = check_samples(start.plausibility, samples)
    derivation = derive(start, checked, keep=LAG)
    return replace(derivation, state=replace(derivation.state, plausibility=plausibility))
