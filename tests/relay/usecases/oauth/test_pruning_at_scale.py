"""Forgetting dead tokens reads what is dead, not what lives, and does not do more at once than it was told."""

from datetime import UTC, datetime

import psycopg
import pytest

from relay.identity import oauth_pruning
from relay.identity.oauth_pruning import prune_oauth

# 300 installations with a pair every half hour: a week of it is alive in each, and `dead` more are overdue.
CHAINS = """
with made as (
    insert into oauth_grants (user_id, client_id, name, scopes, redirect_uri, created_at)
    select %(user_id)s, 'home-assistant', 'Home', '{read}', 'https://my.home-assistant.io/redirect/oauth',
           now() - interval '400 days'
    from generate_series(1, 300) returning id
),
pairs as (
    select gen_random_uuid() as id, made.id as grant_id, age from made, generate_series(1, 60 + %(dead)s) as age
)
insert into oauth_tokens (id, grant_id, access_hash, refresh_hash, access_expires_at, replaces, used_at, created_at)
select id, grant_id, sha256(('a' || id)::bytea), sha256(('r' || id)::bytea), at + interval '30 minutes',
       lag(id) over (partition by grant_id order by age desc), at, at
from (select *, now() - interval '7 days' - (age - 60.5) * interval '30 minutes' as at from pairs) as it
"""

END = (
    "update oauth_grants set revoked_at = now() - interval '8 days' where id in (select id from oauth_grants limit %s)"
)


@pytest.fixture
def plans(database_url, monkeypatch):
    """What the database did for each statement of pruning, as EXPLAIN (ANALYZE) tells it."""
    told = []
    execute = psycopg.AsyncConnection.execute

    async def explained(self, query, parameters=None, **options):
        if not any(word in query for word in ("delete from", "update oauth")):
            return await execute(self, query, parameters, **options)
        cursor = await execute(self, "explain (analyze, format json) " + query, parameters)
        ((plan,),) = await cursor.fetchall()
        told.append((" ".join(query.split()), plan[0]["Plan"]))
        return Deleted(plan[0]["Plan"])

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", explained)
    return told


class Deleted:
    """As the cursor of a statement that was not only explained."""

    def __init__(self, plan):
        # A delete without `returning` tells of no rows, but what it was given it has deleted.
        self.rowcount = next(int(it["Actual Rows"]) for it in plan["Plans"] if it["Parent Relationship"] == "Outer")


def nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


async def fill(pool, account, *, dead, ended=0):
    async with pool.connection() as connection:
        await connection.execute(CHAINS, {"user_id": account.user_id, "dead": dead})
        await connection.execute(END, [ended])
        await connection.execute("analyze oauth_tokens")
        await connection.execute("analyze oauth_grants")


async def prune(pool, at_once=500):
    async with pool.connection() as connection:
        return await prune_oauth(connection, datetime.now(UTC), batch_size=at_once)


async def count(pool):
    async with pool.connection() as connection:
        return (await (await connection.execute("select count(*) from oauth_tokens")).fetchone())[0]


def read(plan):
    """Rows of tokens that were looked at."""
    seen = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan")
    tokens = [it for it in nodes(plan) if it["Node Type"] in seen and "oauth_tokens" in it["Relation Name"]]
    return sum((it["Actual Rows"] + it.get("Rows Removed by Filter", 0)) * it["Actual Loops"] for it in tokens)


@pytest.mark.parametrize("ended", [0, 5])
async def test_what_lives_is_not_read(pool, account, plans, ended):
    await fill(pool, account, dead=3, ended=ended)
    assert await prune(pool) == (300 - ended) * 2 + ended * 63
    assert await count(pool) == (300 - ended) * 61
    assert len(plans) >= 10
    for statement, plan in plans:
        assert not [
            it for it in nodes(plan) if (it["Node Type"], it.get("Relation Name")) == ("Seq Scan", "oauth_tokens")
        ]
        # Dead ones several times over, and one of each installation: of 18,900 in all.
        assert read(plan) <= 3000, statement


async def test_no_run_does_more_than_a_fixed_amount_and_the_next_goes_on(pool, account, monkeypatch):
    monkeypatch.setattr(oauth_pruning, "MAX_ROUNDS", 3)
    await fill(pool, account, dead=2)
    runs = [await prune(pool, at_once=40) for _ in range(4)]
    assert runs == [120, 120, 60, 0]
