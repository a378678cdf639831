"""Mutants by hand, of what mutmut leaves alone: SQL, constants and tables. `scripts/mutate` tries them.

Each old text must occur exactly once in its file: tests/architecture checks that. A new text must be valid, or it
proves nothing: drop a condition, move an edge, swap an order, but cause no syntax error.
"""

from tests.mutation.pairs import (
    access,
    accounts,
    calls,
    charging,
    charging_history,
    commands,
    delivery,
    endpoints,
    enode,
    feed,
    inbox,
    integration,
    integration_entities,
    kit,
    limits,
    linking,
    metering,
    oauth,
    operations,
    outbound,
    polling,
    sign_in,
    vehicle_rules,
    vehicles,
)

PAIRS = (
    *access.PAIRS,
    *accounts.PAIRS,
    *calls.PAIRS,
    *charging.PAIRS,
    *charging_history.PAIRS,
    *commands.PAIRS,
    *delivery.PAIRS,
    *endpoints.PAIRS,
    *enode.PAIRS,
    *feed.PAIRS,
    *inbox.PAIRS,
    *integration.PAIRS,
    *integration_entities.PAIRS,
    *kit.PAIRS,
    *limits.PAIRS,
    *linking.PAIRS,
    *metering.PAIRS,
    *oauth.PAIRS,
    *operations.PAIRS,
    *outbound.PAIRS,
    *polling.PAIRS,
    *sign_in.PAIRS,
    *vehicle_rules.PAIRS,
    *vehicles.PAIRS,
)
