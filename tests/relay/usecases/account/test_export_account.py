"""Exporting all data of an account."""

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


async def export(pool, user_id):
    out = io.BytesIO()
    async with pool.connection() as connection:
        await write_export(connection, user_id, out)
    return out.getvalue()


async def download(response):
    """The body as the chunks that a client receives."""
    messages = []

    async def send(message):
        messages.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    await response({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)
    return [message["body"] for message in messages if message["type"] == "http.response.body"]


async def test_every_table_of_the_account_is_exported_or_excluded_with_a_reason(pool, owner):
    full_account = fill_account(owner)
    exported_tables = {table for section in SECTIONS for table in section.tables}
    assert set(full_account.tables) - exported_tables - set(EXCLUDED_TABLES) == set(), (
        "add the table to SECTIONS or EXCLUDED_TABLES"
    )
    document = json.loads(await export(pool, full_account.user_id))
    assert document["format"] == 1
    empty = [
        section.name
        for section in SECTIONS
        if set(section.tables) & set(full_account.tables) and not document[section.name]
    ]
    assert empty == []
    assert document["account"][0]["email"] == full_account.email


async def test_export_contains_no_secrets_and_no_hashes(pool, owner):
    full_account = fill_account(owner)
    text = (await export(pool, full_account.user_id)).decode()
    assert len(full_account.secrets) > 3
    assert [secret for secret in full_account.secrets if secret.hex() in text or secret.decode() in text] == []
    assert "\\\\x" not in text, "binary columns must be excluded"


async def test_export_contains_nothing_of_other_users(pool, owner):
    mine, theirs = fill_account(owner), fill_account(owner)
    text = (await export(pool, mine.user_id)).decode()
    assert [mark for mark in theirs.marks if mark in text] == []


async def test_long_history_is_streamed_in_small_chunks(pool, account, runtime):
    async with pool.connection() as connection:
        await connection.execute(
            "insert into poll_logs (user_id, endpoint, paid_by, period) "
            "select %s, repeat('x', 200), 'allowance', now() from generate_series(1, 20000)",
            [account.user_id],
        )
    response = await export_account(runtime, account.user_id)
    chunks = await download(response)
    assert max(map(len, chunks)) <= 64 * 1024
    document = b"".join(chunks)
    assert len(document) == int(response.headers["content-length"]) > 5_000_000
    assert len(json.loads(document)["calls"]) == 20_000
    assert response.headers["content-disposition"].startswith('attachment; filename="evconduit-')


async def test_sixth_export_in_a_minute_returns_429(account, runtime):
    runtime.export_rate_limiter._monotonic = lambda: 0.0  # so that a slow machine is granted no more exports
    for _ in range(5):
        await download(await export_account(runtime, account.user_id))
    with pytest.raises(Problem) as refused:
        await export_account(runtime, account.user_id)
    assert refused.value.status == 429
