"""The switches by which an operator pauses parts of a running relay. pause_switches.py changes them."""

from relay.feed.delivery_switch import DELIVERY_PAUSED_KEY

PAUSE_SWITCHES: dict[str, str] = {"delivery": DELIVERY_PAUSED_KEY, "commands": "commands_paused"}
"""Key of a switch's row in the table `settings`, by the switch's name."""
