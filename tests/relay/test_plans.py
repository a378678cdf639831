"""What each plan grants."""

import json
from dataclasses import replace

import pytest

from relay.plans import (
    BASIC,
    CLOUD_PLANS,
    FREE,
    OPERATOR_PLAN,
    PLAN_NAMES,
    PRO,
    SELF_HOSTED_PLANS,
    SIGN_UP_PLAN,
    is_plan_name,
)


@pytest.mark.parametrize(
    ("plan", "name", "monthly_calls", "has_push", "vehicle_limit"),
    [(FREE, "free", 300, False, 1), (BASIC, "basic", 2500, False, 3), (PRO, "pro", 10_000, True, 10)],
)
def test_plans_grant_what_is_documented(plan, name, monthly_calls, has_push, vehicle_limit):
    assert CLOUD_PLANS.get(name) is plan
    assert (plan.name, plan.monthly_calls, plan.has_push) == (name, monthly_calls, has_push)
    assert plan.vehicle_limit == vehicle_limit
    unlimited = replace(plan, monthly_calls=None, has_push=True, vehicle_limit=None)
    assert SELF_HOSTED_PLANS.get(name) == unlimited


def test_catalogue_gives_the_statements_their_parameters():
    assert json.loads(CLOUD_PLANS.monthly_calls_json) == {"free": 300, "basic": 2500, "pro": 10_000}
    assert json.loads(SELF_HOSTED_PLANS.monthly_calls_json) == dict.fromkeys(PLAN_NAMES)
    assert CLOUD_PLANS.push_plans == {"pro"}
    assert SELF_HOSTED_PLANS.push_plans == {"free", "basic", "pro"}
    assert CLOUD_PLANS.get_vehicle_limits() == {"free": 1, "basic": 3, "pro": 10}
    assert SELF_HOSTED_PLANS.get_vehicle_limits() == {}


def test_new_accounts_are_free_and_the_operators_are_pro():
    assert (SIGN_UP_PLAN, OPERATOR_PLAN, PLAN_NAMES) == ("free", "pro", ("free", "basic", "pro"))


@pytest.mark.parametrize(
    ("text", "expected"), [("free", True), ("pro", True), ("Pro", False), ("", False), ("p", False)]
)
def test_plan_names_are_exact(text, expected):
    assert is_plan_name(text) is expected


def test_unknown_plan_is_an_error():
    with pytest.raises(KeyError):
        CLOUD_PLANS.get("gold")


def test_override_changes_only_what_it_names():
    plans = CLOUD_PLANS.override(monthly_calls={"free": 0, "pro": None}, vehicle_limits={"basic": None})
    assert [(plan.monthly_calls, plan.vehicle_limit, plan.has_push) for plan in plans.plans] == [
        (0, 1, False),
        (2500, None, False),
        (None, 10, True),
    ]
    assert [plans.get(name) for name in PLAN_NAMES] == list(plans.plans)
    assert plans.get_vehicle_limits() == {"free": 1, "pro": 10}
    assert CLOUD_PLANS.override() == CLOUD_PLANS
