"""The file with everything that an account has."""

import io
import json

import psycopg
import pytest

from relay.kit.problems import Problem
from relay.usecases.account.export_account import EXCLUDED_TABLES, SECTIONS, export_account, write_export
from tests.relay.support.full_account import fill_account


@pytest.fixture
def owner(database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


async def exported(pool, user_id):
    out = io.BytesIO()
    async with pool.connection() as connection:
        await write_export(connection, user_id, out)
    return out.getvalue()


async def read(answer):
    """What a client gets, piece by piece."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    await answer({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)
    return [message["body"] for message in sent if message["type"] == "http.response.body"]


async def test_every_table_that_knows_the_account_is_told_of_or_left_out_for_a_reason(pool, owner):
    whole = fill_account(owner)
    told = {table for section in SECTIONS for table in section.tables}
    assert set(whole.tables) - told - set(EXCLUDED_TABLES) == set(), (
        "tell of it in SECTIONS, or say in LEFT_OUT why not"
    )
    document = json.loads(await exported(pool, whole.user_id))
    assert document["format"] == 1
    empty = [it.name for it in SECTIONS if set(it.tables) & set(whole.tables) and not document[it.name]]
    assert empty == []
    assert document["account"][0]["email"] == whole.email


async def test_no_secret_and_no_hash_of_one_is_in_it(pool, owner):
    whole = fill_account(owner)
    text = (await exported(pool, whole.user_id)).decode()
    assert len(whole.secrets) > 3
    assert [it for it in whole.secrets if it.hex() in text or it.decode() in text] == []
    assert "\\\\x" not in text, "bytes are secrets here, or nothing that a person reads"


async def test_nothing_of_anybody_else_is_in_it(pool, owner):
    mine, theirs = fill_account(owner), fill_account(owner)
    text = (await exported(pool, mine.user_id)).decode()
    assert [it for it in theirs.marks if it in text] == []


async def test_a_long_history_costs_no_memory(pool, account, runtime):
    async with pool.connection() as connection:
        await connection.execute(
            "insert into poll_logs (user_id, endpoint, paid_by, period) "
            "select %s, repeat('x', 200), 'allowance', now() from generate_series(1, 20000)",
            [account.user_id],
        )
    answer = await export_account(runtime, account.user_id)
    chunks = await read(answer)
    assert max(map(len, chunks)) <= 64 * 1024
    document = b"".join(chunks)
    assert len(document) == int(answer.headers["content-length"]) > 5_000_000
    assert len(json.loads(document)["calls"]) == 20_000
    assert answer.headers["content-disposition"].startswith('attachment; filename="evconduit-')


async def test_asking_again_and_again_is_refused(account, runtime):
    for _ in range(5):
        await read(await export_account(runtime, account.user_id))
    with pytest.raises(Problem) as refused:
        await export_account(runtime, account.user_id)
    assert refused.value.status == 429
