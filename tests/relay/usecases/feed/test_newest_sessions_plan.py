"""What the newest charging sessions cost the feed, which is read for each change of a vehicle."""

import psycopg
import pytest
from psycopg.types.json import Jsonb

from relay.usecases.feed.reader import READ_CHANGES, READ_SNAPSHOT
from tests.relay.support.feed import add_user, put_vehicle

INSERT_SESSIONS = """
insert into charging_sessions
    (id, vehicle_id, started_at, ended_at, open, energy_kwh, energy_source, kind, slices, hours)
select gen_random_uuid(), %(vehicle_id)s, at, at + interval '4 hours', false, 20, 'power',
       case when number %% %(every)s = 0 then 'charge' else 'discharge' end, %(slices)s, %(hours)s
from generate_series(1, 3000) as number, lateral (select now() - number * interval '9 hours' as at) times
"""


def iterate_nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from iterate_nodes(child)


async def explain_sessions(pool, statement, parameters):
    """Return the scans of charging_sessions."""
    async with pool.connection() as connection:
        cursor = await connection.execute("explain (analyze, format json) " + statement, parameters)
        [[[result]]] = await cursor.fetchall()
    return [node for node in iterate_nodes(result["Plan"]) if node.get("Relation Name") == "charging_sessions"]


@pytest.mark.parametrize("every", [1, 2], ids=["charges", "half are discharges"])
@pytest.mark.parametrize("statement", [READ_SNAPSHOT, READ_CHANGES], ids=["snapshot", "changes"])
async def test_newest_of_3000_sessions_are_read_by_index(pool, database_url, every, statement):
    user = await add_user(pool)
    vehicle_id, _ = await put_vehicle(pool, user.id)
    hours = [{"hour": f"2026-11-29T{hour:02}:00:00Z", "kwh": 5.0, "cost": 1.25, "currency": "EUR"} for hour in range(4)]
    parameters = {
        "vehicle_id": vehicle_id,
        "every": every,
        "slices": Jsonb({"first": 1_900_000, "kwh": [1.234567] * 16}),
        "hours": Jsonb(hours),
    }
    async with pool.connection() as connection:
        await connection.execute(INSERT_SESSIONS, parameters)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as owner:
        await owner.execute("analyze evconduit.charging_sessions")
    positions = {"user_id": user.id, "epoch": None, "seq": 0, "users": [user.id], "seqs": [0]}
    scans = await explain_sessions(pool, statement, positions)
    assert [(scan["Node Type"], scan["Index Name"]) for scan in scans] == [("Index Scan", "charging_sessions_vehicle")]
    assert scans[0]["Actual Rows"] + scans[0].get("Rows Removed by Filter", 0) <= 4
