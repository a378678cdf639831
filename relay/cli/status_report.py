"""Render the metrics of the database for people, as `evconduit status` prints them."""

from collections.abc import Mapping, Sequence

LABEL_WIDTH = 16
MINUTE, HOUR, DAY = 60, 3600, 86_400
# From this age on, waiting events mean that no worker runs or that it is overloaded (docs/operating.md).
STUCK_SECONDS = 60
DELIVERY_STATES: Mapping[str, str] = {
    "on": "delivering",
    "streaming": "with an open stream instead",
    "failing": "failing, and retried",
    "off": "switched off after days of failures",
}

type MetricValues = Mapping[str, Mapping[str, float]]
"""Values by the metric's name and by label; the label is empty if the metric has none."""


def render_status(values: MetricValues, paused: Sequence[str], webhook_states: Mapping[str, str]) -> str:
    """Render one line for each part of the relay. `webhook_states` describes each state of Enode's webhook."""
    rows = (
        ("Last from Enode", _describe_last_contact(values)),
        ("Enode's webhook", _describe_webhook(values, webhook_states)),
        ("Events", _describe_inbox(values)),
        ("Wrong signatures", f"{_get_number(values, 'signature_failures_last_hour'):.0f} in the last hour"),
        ("Deliveries", _describe_deliveries(values)),
        ("Commands", _describe_commands(values)),
        ("Cars", _describe_cars(values)),
        ("Paused", "; ".join(f"{name} paused, resume with `evconduit resume {name}`" for name in paused) or "nothing"),
    )
    return "\n".join(f"{label:{LABEL_WIDTH}}  {text}" for label, text in rows)


def describe_duration(seconds: float) -> str:
    """Describe a duration in its largest unit, for example "3 minutes"."""
    for size, unit in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if seconds >= size:
            return count_things(int(seconds // size), unit)
    return count_things(int(max(seconds, 0)), "second")


def count_things(number: float, noun: str) -> str:
    """Render a number with its noun, for example "1 car" or "2 cars"."""
    return f"{number:.0f} {noun}{'' if number == 1 else 's'}"


def _get_number(values: MetricValues, name: str, label: str = "") -> float:
    return values.get(name, {}).get(label, 0)


def _describe_last_contact(values: MetricValues) -> str:
    seconds = values.get("enode_heard_seconds", {}).get("")
    return "nothing yet" if seconds is None else f"{describe_duration(seconds)} ago"


def _describe_webhook(values: MetricValues, descriptions: Mapping[str, str]) -> str:
    for state in values.get("enode_webhook_state", {}):
        return f"{state.replace('_', ' ')}. {descriptions.get(state, '')}".strip()
    return "not used"


def _describe_inbox(values: MetricValues) -> str:
    pending, set_aside = (_get_number(values, "inbox_events", state) for state in ("pending", "set_aside"))
    text = "all processed"
    if pending:
        age = _get_number(values, "inbox_oldest_pending_seconds")
        text = f"{pending:.0f} waiting, the oldest for {describe_duration(age)}"
        if age >= STUCK_SECONDS:
            text += "; check that `evconduit serve` or `evconduit work` runs"
    return text + (f"; {set_aside:.0f} set aside, see `evconduit inbox list`" if set_aside else "")


def _describe_deliveries(values: MetricValues) -> str:
    endpoints = values.get("endpoints", {})
    if not endpoints:
        return "no webhook endpoints"
    counts = ", ".join(f"{number:.0f} {DELIVERY_STATES.get(state, state)}" for state, number in endpoints.items())
    oldest = max(values.get("endpoints_oldest_undelivered_seconds", {}).values(), default=0)
    waiting = f"; the oldest change has been waiting for {describe_duration(oldest)}" if oldest else ""
    return f"{count_things(sum(endpoints.values()), 'endpoint')}: {counts}{waiting}"


def _describe_commands(values: MetricValues) -> str:
    number = _get_number(values, "commands_open")
    return f"{number:.0f} waiting for an outcome" if number else "none waiting for an outcome"


def _describe_cars(values: MetricValues) -> str:
    cars = values.get("vehicles", {})
    text = f"{sum(cars.values()):.0f} linked"
    if broken := cars.get("broken"):
        text += f"; {broken:.0f} must be linked again, because the sign-in at the maker no longer works"
    if over_limit := cars.get("over_limit"):
        text += f"; {over_limit:.0f} over the plan's limit"
    return text
