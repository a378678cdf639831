"""Reports of a car that reports nonsense give the same record, sessions and counters in any order of arrival."""

import random

import pytest

from tests.relay.support.charging_events import COUNTER_STATEMENT, SESSION_STATEMENT, fetch_user_rows
from tests.relay.support.enode_events import at, make_event, make_pipeline
from tests.relay.support.reported_cars import ReportedCar, make_car

UNKNOWN = {
    "batteryLevel": None, "range": None, "isPluggedIn": None, "isCharging": None, "powerDeliveryState": "UNKNOWN",
    "lastUpdated": None,
}  # fmt: skip
ASLEEP = {"isReachable": False, "chargeState": UNKNOWN, "odometer": {"distance": None, "lastUpdated": None}}
AHEAD = {"lastSeen": "2026-11-24T12:00:00.000Z"}

# Minutes after noon, and the car's report.
DAY = (
    (0, make_car(0, "stopped", level=72)),
    (2, make_car(2, "stopped", level=0)),
    (3, make_car(3, "stopped", level=72)),
    (10, make_car(10, "charging", level=72, chargeRate=7.2)),
    (40, make_car(40, "charging", level=78, chargeRate=7.2)),
    (50, make_car(50, "complete", level=80, chargeRate=7.2, chargeTimeRemaining=10)),
    (55, make_car(50, "complete", level=80, groups=ASLEEP)),
    (90, make_car(90, "unplugged", level=79, km=0)),
    (120, make_car(120, "charging", level=60, km=12400, isPluggedIn=False, chargeRate=11)),
    (130, make_car(130, "unplugged", level=58, km=12410)),
    (133, make_car(133, "unplugged", level=10, km=12410)),
    (150, make_car(150, "unplugged", level=10, km=12410, groups=AHEAD)),
    (170, make_car(170, "unplugged", level=10, km=12410)),
    (240, make_car(240, "unplugged", level=57, km=12410)),
    (300, make_car(300, "charging", level=57, km=12410, chargeRate=None)),
    (312, make_car(312, "charging", level=58, km=12410, chargeRate=None)),
    (324, make_car(324, "charging", level=60, km=12410, chargeRate=None)),
    (330, make_car(330, "stopped", level=61, km=12410, isCharging=True)),
    (390, make_car(390, "stopped", level=55, km=12410, powerDeliveryState="PLUGGED_IN:DISCHARGING", chargeRate=-3)),
    (400, make_car(400, "unplugged", level=20, km=7711.6)),
    (402, make_car(402, "unplugged", level=96, km=7711.6)),
)


async def post_all(pipeline, reports):
    for minutes, vehicle in reports:
        # Emptied, because the inbox would ignore a repeated event.
        await pipeline.execute("delete from webhook_logs where user_id = %s", pipeline.user_id)
        event = make_event("user:vehicle:updated", at(60 * minutes), pipeline.user_id, vehicle=vehicle)
        await pipeline.process(event)


async def get_result(pipeline):
    record = await ReportedCar(pipeline).get_record()
    sessions, counters = [await fetch_user_rows(pipeline, each) for each in (SESSION_STATEMENT, COUNTER_STATEMENT)]
    return record["vehicle"] | {"id": None}, record["corrections"], sessions, counters


@pytest.mark.parametrize("length", [3, 12, 16, len(DAY)])
@pytest.mark.parametrize("seed", range(3))
async def test_any_order_and_repetition_of_reports_gives_the_same_result(pipeline, pool, seed, length):
    reports = DAY[:length]
    await post_all(pipeline, reports)
    shuffled = random.Random(seed)  # noqa: S311 - an order of reports
    other = await make_pipeline(pool)
    order = shuffled.sample(reports, len(reports))
    rename = [(minutes, vehicle | {"id": "car2"}) for minutes, vehicle in [*order, *order[:3]]]
    await post_all(other, rename)
    assert await get_result(other) == await get_result(pipeline)
