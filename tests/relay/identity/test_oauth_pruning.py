"""Pruning many OAuth tokens reads only expired ones and deletes a limited number per run."""

from datetime import UTC, datetime

import psycopg
import pytest

from relay.identity import oauth_pruning
from relay.identity.oauth_pruning import prune_oauth

# 300 installations with a pair every half hour. In each, a week of pairs must be kept and `dead` more are overdue.
INSERT_CHAINS = """
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

REVOKE_GRANTS = (
    "update oauth_grants set revoked_at = now() - interval '8 days' where id in (select id from oauth_grants limit %s)"
)


@pytest.fixture
def plans(database_url, monkeypatch):
    """Plans of all statements that delete or update, from EXPLAIN (ANALYZE), in order."""
    explained_plans = []
    execute = psycopg.AsyncConnection.execute

    async def explain_and_execute(self, query, parameters=None, **options):
        if not any(word in query for word in ("delete from", "update oauth")):
            return await execute(self, query, parameters, **options)
        cursor = await execute(self, "explain (analyze, format json) " + query, parameters)
        ((plan,),) = await cursor.fetchall()
        explained_plans.append((" ".join(query.split()), plan[0]["Plan"]))
        return ExplainedCursor(plan[0]["Plan"])

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", explain_and_execute)
    return explained_plans


class ExplainedCursor:
    """Stands in for the cursor of an explained statement, with its `rowcount`."""

    def __init__(self, plan):
        # The plan node of a delete without `returning` reports no rows; its input has the number.
        self.rowcount = next(
            int(node["Actual Rows"]) for node in plan["Plans"] if node["Parent Relationship"] == "Outer"
        )


def iterate_nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from iterate_nodes(child)


async def insert_chains(pool, account, *, dead, ended=0):
    async with pool.connection() as connection:
        await connection.execute(INSERT_CHAINS, {"user_id": account.user_id, "dead": dead})
        await connection.execute(REVOKE_GRANTS, [ended])
        await connection.execute("analyze oauth_tokens")
        await connection.execute("analyze oauth_grants")


async def prune(pool, batch_size=500):
    async with pool.connection() as connection:
        return await prune_oauth(connection, datetime.now(UTC), batch_size=batch_size)


async def count(pool):
    async with pool.connection() as connection:
        return (await (await connection.execute("select count(*) from oauth_tokens")).fetchone())[0]


def count_token_rows_read(plan):
    """Number of rows of oauth_tokens that the plan reads."""
    scan_types = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan")
    scans = [
        node
        for node in iterate_nodes(plan)
        if node["Node Type"] in scan_types and "oauth_tokens" in node["Relation Name"]
    ]
    return sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in scans)


@pytest.mark.parametrize("ended", [0, 5])
async def test_pruning_does_not_read_valid_tokens(pool, account, plans, ended):
    await insert_chains(pool, account, dead=3, ended=ended)
    assert await prune(pool) == (300 - ended) * 2 + ended * 63
    assert await count(pool) == (300 - ended) * 61
    assert len(plans) >= 10
    for statement, plan in plans:
        assert not [
            node
            for node in iterate_nodes(plan)
            if (node["Node Type"], node.get("Relation Name")) == ("Seq Scan", "oauth_tokens")
        ]
        # Expired tokens several times, and one per installation, of 18,900 tokens in total.
        assert count_token_rows_read(plan) <= 3000, statement


async def test_each_run_deletes_a_limited_number_and_the_next_continues(pool, account, monkeypatch):
    monkeypatch.setattr(oauth_pruning, "MAX_ROUNDS", 3)
    await insert_chains(pool, account, dead=2)
    runs = [await prune(pool, batch_size=40) for _ in range(4)]
    assert runs == [120, 120, 60, 0]
