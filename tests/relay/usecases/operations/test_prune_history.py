from datetime import timedelta

import pytest

from relay.plans import SELF_HOSTED_PLANS
from relay.usecases.account.usage_report import get_usage_report
from relay.usecases.calls.authorize import CallRequest, authorize_call
from relay.usecases.operations import prune_history
from relay.usecases.operations.prune_history import Retention, prune_old_rows
from tests.relay.support.enode_events import CHARGING, at, make_pipeline


@pytest.fixture
async def pipeline(pool):
    return await make_pipeline(pool)


async def age(pipeline, hours):
    for table in ("webhook_logs", "transitions"):
        await pipeline.execute(f"update {table} set created_at = now() - %s * interval '1 hour'", hours)


@pytest.mark.parametrize(
    ("hours", "kept_states", "kept_transitions"),
    [
        (24, {"done", "ignored", "set_aside", "pending"}, 2),
        (71, {"done", "ignored", "set_aside", "pending"}, 1),
        (73, {"set_aside", "pending"}, 1),
        (24 * 29, {"set_aside", "pending"}, 1),
        (24 * 31, {"pending"}, 1),
    ],
)
async def test_what_has_served_its_time_goes(pipeline, monkeypatch, hours, kept_states, kept_transitions):
    monkeypatch.setattr(prune_history, "BATCH_SIZE", 1)
    await pipeline.process(
        pipeline.make_update("car", at(0)),
        pipeline.make_update("car", at(1), charge=CHARGING),
        pipeline.make_update("car", at(2)) | {"user": {"id": "stranger"}},
        {"odd": 1},
    )
    await pipeline.deliver(pipeline.make_update("car", at(3)))
    await age(pipeline, hours)
    async with pipeline.pool.connection() as connection:
        await prune_old_rows(connection, Retention())
        assert await prune_old_rows(connection, Retention()) == 0
    assert {row["state"] for row in await pipeline.list_inbox_rows()} == kept_states
    assert len(await pipeline.list_transition_kinds()) == kept_transitions


async def test_metered_calls_go_after_their_time_and_what_was_used_stays(pool, account):
    async with pool.connection() as connection:
        for _ in range(4):
            asked = CallRequest(scope="read", endpoint="v2/vehicles")
            await authorize_call(connection, account.credential, SELF_HOSTED_PLANS, asked)
        await connection.execute("update poll_logs set created_at = now() - id * interval '25 days'")
        assert await prune_old_rows(connection, Retention(calls=timedelta(days=60))) == 2
        kept = await connection.execute("select count(*) from poll_logs")
        assert await kept.fetchone() == (2,)
        used = await get_usage_report(connection, account.user_id, SELF_HOSTED_PLANS)
    assert (used.used, used.days[-1].calls) == (4, 4)


async def test_an_intervention_that_no_car_names_goes_after_a_month(pipeline):
    for name, days in (("young", 29), ("old", 31)):
        await pipeline.execute(
            "insert into interventions (id, language, fetched_at) values (%s, 'en-US', now() - %s * interval '1 day')",
            *(name, days),
        )
    async with pipeline.pool.connection() as connection:
        assert await prune_old_rows(connection, Retention()) == 1
    assert [row["id"] for row in await pipeline.execute("select id from interventions")] == ["young"]
