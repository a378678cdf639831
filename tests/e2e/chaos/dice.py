"""Chance that can be repeated."""

import random


def dice(seed: int) -> random.Random:
    """Dice that fall the same way for the same seed."""
    return random.Random(seed)  # noqa: S311  # nothing secret hangs on it


def more_of(parent: random.Random) -> random.Random:
    """Dice of their own for somebody who throws at the same time."""
    return dice(parent.randrange(1_000_000))
