"""The operator's switch that pauses delivery on streams and to endpoints."""

from typing import LiteralString

DELIVERY_PAUSED_KEY = "delivery_paused"
"""Key of the switch in the table `settings`."""

# A condition for the statements that deliver, so that the switch takes effect in all processes at once.
DELIVERY_PAUSED: LiteralString = "exists (select from settings where key = 'delivery_paused' and value = 'true')"
