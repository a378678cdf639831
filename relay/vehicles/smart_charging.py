"""Enode's smart charging plans and overrides, as the record of a vehicle has them."""

from relay.gateways.enode.json_fields import parse_datetime, parse_float, parse_text
from relay.kit.json_object import JsonObject
from relay.kit.timestamps import format_timestamp

TIMES = {
    "stop_at": "stopAt",
    "start_at": "startAt",
    "estimated_finish_at": "estimatedFinishAt",
    "ended_at": "endedAt",
}
"""The names of times in the record, and in Enode's plan."""
CURRENCY_LENGTH = 3


def render_plan(plan: JsonObject | None) -> JsonObject | None:
    """Render Enode's plan for the record. What Enode doesn't say, or says in another form, is null."""
    if plan is None:
        return None
    times = {name: parse_datetime(plan, key) for name, key in TIMES.items()}
    currency = parse_text(plan, "currency")
    return {
        **{name: None if time is None else format_timestamp(time) for name, time in times.items()},
        "currency": currency if currency is not None and len(currency) == CURRENCY_LENGTH else None,
        "cost": parse_float(plan, "smartCost"),
        "cost_without_plan": parse_float(plan, "nonSmartCost"),
    }


def is_override_active(override: JsonObject | None) -> bool:
    """Whether the vehicle charges regardless of its plan: there is an override, and it hasn't ended."""
    return override is not None and override.get("endedAt") is None
