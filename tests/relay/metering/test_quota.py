"""Remaining calls, the wait for the next month, and how responses tell both."""

from datetime import UTC, datetime, timedelta

import pytest

from relay.metering.quota import Quota, create_quota_exhausted_problem, render_rate_limit_headers
from tests.relay.support.plans import create_plans

BEGAN_AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
RESETS_AT = datetime(2026, 12, 1, 12, tzinfo=UTC)


def make_quota(used, call_tokens=0, resets_at=RESETS_AT):
    return Quota(used=used, call_tokens=call_tokens, began_at=BEGAN_AT, resets_at=resets_at)


@pytest.mark.parametrize(("used", "remaining"), [(0, 300), (1, 299), (299, 1), (300, 0), (301, 0), (9999, 0)])
def test_remaining_calls_are_never_negative(used, remaining):
    assert make_quota(used).get_remaining(300) == remaining


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [
        pytest.param(timedelta(days=9), 777_600, id="nine days"),
        pytest.param(timedelta(seconds=2), 2, id="two seconds"),
        pytest.param(timedelta(seconds=1, microseconds=1), 2, id="rounded up"),
        pytest.param(timedelta(seconds=1), 1, id="a second"),
        pytest.param(timedelta(microseconds=1), 1, id="less than a second"),
        pytest.param(timedelta(), 1, id="now"),
        pytest.param(timedelta(hours=-1), 1, id="in the past"),
    ],
)
def test_month_has_started_after_the_wait_of_at_least_a_second(wait, seconds):
    assert make_quota(0).get_seconds_to_reset(RESETS_AT - wait) == seconds


@pytest.mark.parametrize(
    ("quota", "limit", "remaining"),
    [
        pytest.param(make_quota(12), 300, 288, id="calls of the allowance"),
        pytest.param(make_quota(12, 5), 300, 293, id="and call tokens"),
        pytest.param(make_quota(400, 5), 300, 5, id="call tokens only"),
        pytest.param(make_quota(300), 300, 0, id="nothing"),
        pytest.param(make_quota(0), 0, 0, id="a plan without calls"),
    ],
)
def test_headers_have_the_allowance_and_what_remains_of_it(quota, limit, remaining):
    assert render_rate_limit_headers(quota, limit, RESETS_AT - timedelta(hours=24)) == {
        "RateLimit-Policy": f'"month";q={limit};w=2592000',
        "RateLimit": f'"month";r={remaining};t=86400',
    }


def test_unlimited_plan_has_no_headers():
    assert render_rate_limit_headers(make_quota(12), None) == {}


def test_headers_are_of_now_by_default():
    quota = make_quota(12, resets_at=datetime.now(UTC) + timedelta(seconds=1000))
    assert render_rate_limit_headers(quota, 300)["RateLimit"] in {f'"month";r=288;t={t}' for t in range(990, 1001)}


def test_exhausted_quota_is_429_with_the_time_at_which_to_retry():
    resets_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1000)
    problem = create_quota_exhausted_problem(make_quota(301, resets_at=resets_at), "basic", create_plans(basic=300))
    assert (problem.status, problem.slug) == (429, "quota-exhausted")
    assert problem.detail == "The calls of this month are used up."
    assert 990 <= int(problem.headers["Retry-After"]) <= 1000
    assert problem.headers["RateLimit-Policy"].startswith('"month";q=300;')
    assert problem.members == {
        "plan": "basic",
        "allowance": 300,
        "used": 301,
        "call_tokens": 0,
        "resets_at": resets_at.isoformat().replace("+00:00", ".000Z"),
    }
