"""`evconduit sessions recompute`: what a dry run prints, and what --apply writes."""

import asyncio

import pytest
from typer.testing import CliRunner

from relay.cli import app
from relay.kit.errors import OperatorError
from relay.usecases.feed.reader import read_snapshot
from tests.relay.support.charging_events import SOC, make_charging, make_stopped
from tests.relay.support.enode_events import at, make_pipeline

DAMAGE_HISTORY = """
update charging_sessions set energy_kwh = 40 where started_at = %(first)s;
delete from charging_sessions where started_at = %(second)s;
insert into charging_sessions (id, vehicle_id, started_at, ended_at, open, energy_kwh, energy_source)
select '00000000-0000-0000-0000-00000000002a', id, %(phantom)s, %(phantom)s, false, 5, 'power' from vehicles;
update vehicle_energy set counted_kwh = 45, lifetime_kwh = 45
"""
"""A history as another version derived it: one session too big, one missing, and one that never took place."""
CHANGES = [
    "changed  2026-11-23 12:00 to 11-23 12:20  40.000 kWh -> 2026-11-23 12:00 to 11-23 12:20  10.000 kWh",
    "removed  2026-11-23 14:00 to 11-23 14:00  5.000 kWh",
    "new      2026-11-23 17:33 to 11-23 17:53  10.000 kWh",
]


@pytest.fixture
async def pipeline(pool):
    pipeline = await make_pipeline(pool)
    await pipeline.execute("update users set email = 'me@example.org'")
    return pipeline


@pytest.fixture
def recompute(tmp_path, database_url):
    """Run the command in this process, with an event loop of its own."""
    environment = {"EVCONDUIT_DATA": str(tmp_path), "DATABASE_URL": database_url}

    async def run(*arguments):
        command = ["sessions", "recompute", *map(str, arguments)]
        result = await asyncio.to_thread(CliRunner().invoke, app, command, env=environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


async def charge(pipeline, car="car", **more):
    for start in (0, 20000):
        await pipeline.process_update(car, at(start), **make_charging(20, **SOC), **more)
        await pipeline.process_update(car, at(start + 1200), **make_stopped(40, **SOC), **more)


async def damage_history(pipeline):
    values = {"first": at(0), "second": at(20000), "phantom": at(7200)}
    async with pipeline.pool.connection() as connection:
        for statement in DAMAGE_HISTORY.split(";"):
            await connection.execute(statement, values)


async def read_everything(pipeline):
    tables = ("charging_sessions", "vehicle_energy", "charging_samples", "session_corrections", "feeds", "vehicles")
    return [await pipeline.execute(f"select * from {table} order by 1, 2") for table in tables]


def list_changes(result):
    lines = [line.strip() for line in result.stdout.splitlines()]
    return [line for line in lines if line.startswith(("changed", "removed", "new"))]


def find_line(result, label):
    [line] = [line.strip() for line in result.stdout.splitlines() if line.strip().startswith(label + "  ")]
    return line.removeprefix(label).strip()


async def test_dry_run_prints_what_would_change_and_writes_nothing(recompute, pipeline):
    await charge(pipeline)
    await damage_history(pipeline)
    before = await read_everything(pipeline)
    result = await recompute("me@example.org")
    assert list_changes(result) == CHANGES
    assert find_line(result, "sum of the sessions") == "45.000 -> 20.000 kWh"
    assert find_line(result, "shown in Home Assistant") == "45.000 kWh"
    assert find_line(result, "shown, at home") == "- kWh"
    assert "Recomputing Tesla Model 3 from 4 samples since 2026-11-23 12:00 UTC" in result.stderr
    assert "Would change 3 sessions of 1 car. Nothing was written. To write it, add --apply." in result.stderr
    assert await read_everything(pipeline) == before


async def test_apply_writes_what_the_dry_run_printed_and_a_second_run_finds_nothing(recompute, pipeline):
    await charge(pipeline)
    await damage_history(pipeline)
    dry_run = await recompute(str(pipeline.user_id))
    applied = await recompute(str(pipeline.user_id), "--apply")
    assert applied.stdout == dry_run.stdout
    assert "Changed 3 sessions of 1 car." in applied.stderr
    sessions = await pipeline.execute("select started_at, energy_kwh from charging_sessions order by started_at")
    assert [(row["started_at"], row["energy_kwh"]) for row in sessions] == [(at(0), 10), (at(20000), 10)]
    [counters] = await pipeline.execute("select counted_kwh, lifetime_kwh from vehicle_energy")
    assert counters == {"counted_kwh": 20, "lifetime_kwh": 45}
    again = await recompute(str(pipeline.user_id), "--apply")
    assert list_changes(again) == []
    assert "no session changes (2 recorded)" in again.stdout
    assert "Nothing to change for 1 car." in again.stderr


async def test_applied_recompute_publishes_counters_that_grew(recompute, pipeline):
    await charge(pipeline)
    await pipeline.execute("delete from charging_sessions")
    await pipeline.execute("update vehicle_energy set counted_kwh = 0, lifetime_kwh = 0")
    seq = await pipeline.get_feed_seq()
    await recompute("me@example.org", "--apply")
    assert await pipeline.get_feed_seq() == (await pipeline.get_vehicle())["revision"] == seq + 1
    async with pipeline.pool.connection() as connection:
        [record] = (await read_snapshot(connection, pipeline.user_id)).vehicles
    assert (record["energy"]["lifetime_kwh"], record["energy"]["home_kwh"]) == (20.0, None)


async def test_next_event_continues_from_what_was_recomputed(recompute, pipeline):
    await charge(pipeline)
    await damage_history(pipeline)
    await recompute("me@example.org", "--apply")
    await pipeline.process_update("car", at(22000), **make_charging(40, **SOC))
    await pipeline.process_update("car", at(23200), **make_stopped(60, **SOC))
    [counters] = await pipeline.execute("select counted_kwh, lifetime_kwh from vehicle_energy")
    assert counters == {"counted_kwh": 30, "lifetime_kwh": 45}
    rows = await pipeline.execute("select energy_kwh from charging_sessions order by started_at")
    assert [row["energy_kwh"] for row in rows] == [10, 20]


async def test_corrections_of_owners_survive(recompute, pipeline):
    await charge(pipeline)
    await pipeline.execute(
        "insert into session_corrections (vehicle_id, started_at, ended_at, energy_kwh, deleted) "
        "select vehicle_id, started_at, ended_at, case when started_at = %s then 7 end, started_at > %s "
        "from charging_sessions",
        at(0),
        at(0),
    )
    result = await recompute("me@example.org", "--apply")
    assert [line.partition("-> ")[2] for line in list_changes(result)] == [
        "2026-11-23 12:00 to 11-23 12:20  7.000 kWh (corrected by its owner)",
        "2026-11-23 17:33 to 11-23 17:53  deleted by its owner",
    ]
    [counters] = await pipeline.execute("select counted_kwh, lifetime_kwh from vehicle_energy")
    assert counters == {"counted_kwh": 7, "lifetime_kwh": 20}


@pytest.mark.parametrize("kind", ["ours", "Enode's"])
async def test_one_vehicle_is_recomputed_by_its_id(recompute, pipeline, kind):
    await charge(pipeline)
    await charge(pipeline, "other", vin=None)
    await pipeline.execute("update charging_sessions set energy_kwh = 40")
    [row] = await pipeline.execute("select vehicle_id from vehicle_links where enode_vehicle_id = 'other'")
    vehicle_id = str(row["vehicle_id"])
    result = await recompute("me@example.org", "--vehicle", vehicle_id if kind == "ours" else "other", "--apply")
    assert "Changed 2 sessions of 1 car." in result.stderr
    assert vehicle_id in result.stdout
    rows = await pipeline.execute("select vehicle_id, energy_kwh from charging_sessions")
    assert {str(row["vehicle_id"]) == vehicle_id: row["energy_kwh"] for row in rows} == {True: 10, False: 40}


async def test_account_without_cars_or_samples_is_left_as_it_is(recompute, pipeline):
    assert "The account has no cars." in (await recompute("me@example.org")).stderr
    await charge(pipeline)
    await pipeline.execute("delete from charging_samples")
    before = await pipeline.execute("select * from charging_sessions order by id")
    result = await recompute("me@example.org", "--apply")
    assert "from 0 samples…" in result.stderr
    assert "Nothing to change" in result.stderr
    assert await pipeline.execute("select * from charging_sessions order by id") == before


async def test_unknown_account_or_car_is_an_error_that_says_what_to_do(recompute, pipeline):
    with pytest.raises(OperatorError, match=r"no account .nobody@example\.org."):
        await recompute("nobody@example.org")
    with pytest.raises(OperatorError, match="the account has no car 'x': run the command without --vehicle"):
        await recompute("me@example.org", "--vehicle", "x")


def test_help_says_what_is_written_and_what_stays(operator):
    text = " ".join(operator.run_checked("sessions", "recompute", "--help").replace("│", " ").split())
    for phrase in ("dry run", "--apply", "--vehicle", "14 days", "stays deleted or corrected", "never decrease"):
        assert phrase in text
