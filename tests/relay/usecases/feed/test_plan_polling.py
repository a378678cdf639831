"""When a client polls next: from the caller's remaining calls, and the activity of the busiest vehicle."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from relay.identity.models import Caller
from relay.metering.poll_schedule import CallBudget, VehicleActivity, plan_next_poll
from relay.metering.quota import Quota
from relay.usecases.calls.authorize import AuthorizedCall
from relay.usecases.feed.plan_polling import fetch_busiest_activity, get_busiest_activity, plan_polling
from tests.relay.support.plans import create_plans

CHARGING, PLUGGED_IN, PARKED = VehicleActivity.CHARGING, VehicleActivity.PLUGGED_IN, VehicleActivity.PARKED
PLANS = create_plans(free=300, basic=2500, pro=10_000)
UNLIMITED = create_plans(free=None, basic=None)
NINE_DAYS = timedelta(days=9)
USER_ID = UUID(int=7)


def make_call(plan="free", *, used=0, call_tokens=0, user_id=USER_ID, resets_in=NINE_DAYS):
    now = datetime.now(UTC)
    caller = Caller(user_id=user_id, email="a@example.org", name="", plan=plan, credential_id=UUID(int=9))
    quota = Quota(used=used, call_tokens=call_tokens, began_at=now - NINE_DAYS, resets_at=now + resets_in)
    return AuthorizedCall(caller=caller, quota=quota)


@pytest.mark.parametrize(
    ("plan", "used", "tokens", "remaining"),
    [
        pytest.param("free", 224, 0, 76, id="calls of the allowance"),
        pytest.param("basic", 224, 5, 2276, id="calls of another plan"),
        pytest.param("free", 300, 5, 0, id="call tokens"),
        pytest.param("free", 300, 0, 0, id="nothing"),
        pytest.param("free", 999, 0, 0, id="more used than allowed"),
    ],
)
@pytest.mark.parametrize("activity", VehicleActivity)
def test_next_poll_follows_the_schedule_for_the_callers_calls(plan, used, tokens, remaining, activity):
    call = make_call(plan, used=used, call_tokens=tokens)
    budget = CallBudget(
        user_id=call.caller.user_id,
        remaining_calls=remaining,
        used_calls=used,
        call_tokens=tokens,
        resets_at=call.quota.resets_at,
    )
    planned = datetime.fromisoformat(plan_polling(call, PLANS, activity))
    assert abs(planned - plan_next_poll(budget, activity, datetime.now(UTC))) < timedelta(seconds=2)


@pytest.mark.parametrize("plan", ["free", "basic"])
def test_unlimited_plan_is_polled_at_the_shortest_interval_all_month(plan):
    call = make_call(plan, used=999_999, resets_in=timedelta(days=31))
    wait = datetime.fromisoformat(plan_polling(call, UNLIMITED, PARKED)) - datetime.now(UTC)
    assert timedelta(minutes=4.4) < wait <= timedelta(minutes=5.5)


async def test_plan_with_push_is_not_polled_and_costs_no_statement():
    call = make_call("pro")
    assert plan_polling(call, PLANS, CHARGING) is None
    assert await fetch_busiest_activity(None, call, PLANS) is PARKED


def make_record(charge, state="ok"):
    return {"link": {"state": state}, "vehicle": {"chargeState": charge}}


CHARGE = {"isCharging": True, "isPluggedIn": True}
PLUG = {"isCharging": False, "isPluggedIn": True}
PARK = {"isCharging": False, "isPluggedIn": False}
ACTIVITIES = [
    pytest.param([], PARKED, id="no vehicle"),
    pytest.param([PARK], PARKED, id="a parked vehicle"),
    pytest.param([PLUG], PLUGGED_IN, id="a vehicle that is plugged in"),
    pytest.param([CHARGE], CHARGING, id="a charging vehicle"),
    pytest.param([{"isCharging": True}], CHARGING, id="charging, plug unknown"),
    pytest.param([{"isPluggedIn": True}], PLUGGED_IN, id="plugged in, charging unknown"),
    pytest.param([PARK, PLUG], PLUGGED_IN, id="the second is busier"),
    pytest.param([PLUG, PARK], PLUGGED_IN, id="the first is busier"),
    pytest.param([PLUG, PARK, CHARGE], CHARGING, id="the third charges"),
    pytest.param([None, {}, PLUG], PLUGGED_IN, id="unknown charge states"),
    pytest.param([{"isCharging": None, "isPluggedIn": None}], PARKED, id="unknown flags"),
    pytest.param([{"isCharging": "yes", "isPluggedIn": 1}], PARKED, id="flags that are no booleans"),
]


@pytest.mark.parametrize(("charges", "activity"), ACTIVITIES)
def test_activity_is_that_of_the_busiest_vehicle(charges, activity):
    assert get_busiest_activity(map(make_record, charges)) is activity


@pytest.mark.parametrize(("state", "activity"), [("ok", CHARGING), ("broken", PLUGGED_IN), ("over_limit", PLUGGED_IN)])
def test_only_vehicles_with_a_working_link_count(state, activity):
    assert get_busiest_activity([make_record(CHARGE, state), make_record(PLUG)]) is activity


@pytest.mark.parametrize("record", [{"link": {"state": "ok"}, "vehicle": {}}, make_record("odd")])
def test_vehicle_without_a_charge_state_counts_as_parked(record):
    assert get_busiest_activity([record]) is PARKED


STORED_ACTIVITIES = {
    "a charging vehicle": (CHARGE, {}, "", CHARGING),
    "a vehicle that is plugged in": (PLUG, {}, "", PLUGGED_IN),
    "a charge state that is null": (None, {}, "", PARKED),
    "a corrected charge state": (CHARGE, {"chargeState": PLUG}, "", PLUGGED_IN),
    "an unlinked vehicle": (CHARGE, {}, ", gone_at = now()", PARKED),
    "a broken link": (CHARGE, {}, ", link_state = 'broken'", PARKED),
    "a vehicle over the plan's limit": (CHARGE, {}, ", link_state = 'over_limit'", PARKED),
}


async def test_activity_is_read_from_the_callers_linked_vehicles(pool, account, make_account):
    await make_account()
    call = make_call(user_id=account.user_id)
    for case, (charge, corrected, change, activity) in STORED_ACTIVITIES.items():
        async with pool.connection() as connection, connection.transaction(force_rollback=True):
            await connection.execute("update vehicles set vehicle_cache = %s", [Jsonb({"chargeState": CHARGE})])
            await connection.execute(
                f"update vehicles set vehicle_cache = %s, corrected = %s{change} where user_id = %s",
                [Jsonb({"chargeState": charge}), Jsonb(corrected), account.user_id],
            )
            assert (case, await fetch_busiest_activity(connection, call, PLANS)) == (case, activity)
