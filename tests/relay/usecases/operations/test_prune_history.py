"""Deletion of rows that are past their retention."""

from datetime import timedelta

import pytest

from relay.plans import SELF_HOSTED_PLANS
from relay.usecases.account.usage_report import get_usage_report
from relay.usecases.calls.authorize import CallRequest, authorize_call
from relay.usecases.operations import prune_history
from relay.usecases.operations.prune_history import Retention, prune_old_rows
from tests.relay.support.enode_events import CHARGING, at


async def set_age(pipeline, hours):
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
async def test_rows_past_their_retention_are_deleted(pipeline, monkeypatch, hours, kept_states, kept_transitions):
    monkeypatch.setattr(prune_history, "BATCH_SIZE", 1)
    await pipeline.process(
        pipeline.make_update("car", at(0)),
        pipeline.make_update("car", at(1), charge=CHARGING),
        pipeline.make_update("car", at(2)) | {"user": {"id": "stranger"}},
        {"odd": 1},
    )
    await pipeline.deliver(pipeline.make_update("car", at(3)))
    await set_age(pipeline, hours)
    async with pipeline.pool.connection() as connection:
        await prune_old_rows(connection, Retention())
        assert await prune_old_rows(connection, Retention()) == 0
    assert {row["state"] for row in await pipeline.list_inbox_rows()} == kept_states
    assert len(await pipeline.list_transition_kinds()) == kept_transitions


async def test_call_log_is_pruned_and_daily_usage_is_kept(pool, account):
    async with pool.connection() as connection:
        for _ in range(4):
            request = CallRequest(scope="read", endpoint="v2/vehicles")
            await authorize_call(connection, account.credential, SELF_HOSTED_PLANS, request)
        await connection.execute("update poll_logs set created_at = now() - id * interval '25 days'")
        assert await prune_old_rows(connection, Retention(calls=timedelta(days=60))) == 2
        count = await connection.execute("select count(*) from poll_logs")
        assert await count.fetchone() == (2,)
        report = await get_usage_report(connection, account.user_id, SELF_HOSTED_PLANS)
    assert (report.used, report.days[-1].calls) == (4, 4)


async def test_unreferenced_intervention_is_deleted_after_a_month(pipeline):
    for name, days in (("young", 29), ("old", 31)):
        await pipeline.execute(
            "insert into interventions (id, language, fetched_at) values (%s, 'en-US', now() - %s * interval '1 day')",
            *(name, days),
        )
    async with pipeline.pool.connection() as connection:
        assert await prune_old_rows(connection, Retention()) == 1
    assert [row["id"] for row in await pipeline.execute("select id from interventions")] == ["young"]
