"""Mutants by hand, of what mutmut leaves alone: SQL, constants and tables. `scripts/mutate` tries them.

Each old text must occur exactly once in its file: tests/architecture checks that. A new text must be valid, or it
proves nothing: drop a condition, move an edge, swap an order, but cause no syntax error.
"""

from tests.mutation.pairs import (
    access,
    calls,
    charging,
    commands,
    delivery,
    feed,
    inbox,
    integration,
    integration_entities,
    limits,
    linking,
    oauth,
    operations,
    outbound,
    vehicles,
)

PAIRS = (
    *access.PAIRS,
    *calls.PAIRS,
    *charging.PAIRS,
    *commands.PAIRS,
    *delivery.PAIRS,
    *feed.PAIRS,
    *inbox.PAIRS,
    *integration.PAIRS,
    *integration_entities.PAIRS,
    *limits.PAIRS,
    *linking.PAIRS,
    *oauth.PAIRS,
    *operations.PAIRS,
    *outbound.PAIRS,
    *vehicles.PAIRS,
)
