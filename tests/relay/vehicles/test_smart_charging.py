"""Enode's smart charging plans and overrides, as the record of a vehicle has them."""

import pytest

from relay.vehicles.smart_charging import is_override_active, render_plan

PLAN = {
    "currency": "EUR",
    "nonSmartCost": 17.2,
    "smartCost": 12.8,
    "stopAt": "2026-11-25T18:00:00Z",
    "startAt": "2026-11-26T01:00:00Z",
    "estimatedFinishAt": "2026-11-26T05:00:00Z",
    "endedAt": "2026-11-26T04:30:00Z",
}
RECORD = {
    "stop_at": "2026-11-25T18:00:00.000Z",
    "start_at": "2026-11-26T01:00:00.000Z",
    "estimated_finish_at": "2026-11-26T05:00:00.000Z",
    "ended_at": "2026-11-26T04:30:00.000Z",
    "currency": "EUR",
    "cost": 12.8,
    "cost_without_plan": 17.2,
}
NAMES = {
    "stopAt": "stop_at",
    "startAt": "start_at",
    "estimatedFinishAt": "estimated_finish_at",
    "endedAt": "ended_at",
    "currency": "currency",
    "smartCost": "cost",
    "nonSmartCost": "cost_without_plan",
}


def test_plan_has_times_and_costs():
    assert render_plan(PLAN) == RECORD
    assert render_plan(None) is None
    assert render_plan({}) == dict.fromkeys(RECORD)


@pytest.mark.parametrize("member", NAMES)
@pytest.mark.parametrize("value", [None, "odd", [], {}, True])
def test_odd_member_is_null_and_the_others_stay(member, value):
    if (member, value) == ("currency", "odd"):
        value = "EURO"
    assert render_plan(PLAN | {member: value}) == RECORD | {NAMES[member]: None}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (None, False),
        ({}, True),
        ({"endedAt": None}, True),
        ({"endedAt": "2026-11-25T18:00:00Z"}, False),
    ],
)
def test_override_is_active_until_it_ends(override, expected):
    assert is_override_active(override) is expected
