"""Random generators with a seed, so that a run can be repeated."""

import random


def create_random(seed: int) -> random.Random:
    """Create a generator that yields the same sequence for the same seed."""
    return random.Random(seed)  # noqa: S311  # not used for secrets


def fork_random(parent: random.Random) -> random.Random:
    """Create a separate generator, seeded by `parent`, for a thread that runs at the same time."""
    return create_random(parent.randrange(1_000_000))
