"""Survivors of `scripts/mutate` that no test has to notice, each with the reason.

The report of `scripts/mutate` has the row for each survivor, ready to copy into the file of its area.
"""

from tests.mutation.accepted import (
    integration,
    relay_delivery,
    relay_gateways,
    relay_kit,
    relay_metering,
    relay_vehicles,
)

ACCEPTED = (
    *integration.ACCEPTED,
    *relay_delivery.ACCEPTED,
    *relay_gateways.ACCEPTED,
    *relay_kit.ACCEPTED,
    *relay_metering.ACCEPTED,
    *relay_vehicles.ACCEPTED,
)
