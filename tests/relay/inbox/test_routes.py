"""POST /api/webhook/enode on a real database."""

import asyncio
import json
import logging
import time
from uuid import uuid4

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg import sql
from psycopg.conninfo import make_conninfo

from relay.inbox import routes
from relay.inbox.routes import ENODE_WEBHOOK_PATH, router
from relay.inbox.service import Inbox
from relay.kit import problem_responses
from relay.kit.database import open_pool
from tests.relay.support.enode_events import NOON, SECRET, make_event, make_vehicle, sign_body

USER = uuid4()
UPDATED = make_event("user:vehicle:updated", NOON, USER, vehicle=make_vehicle("car", NOON))
INVALID_BODIES = [
    (b'[{"event":"user:vehicle:upd', "not JSON"),
    (b"\x00\xff", "not JSON"),
    (b'"text"', "an item is not an object"),
    (b'[{"event":"x"}]', "an event has no createdAt"),
    (
        rb'[{"event":"x","createdAt":"2026-03-14T08:21:08Z","a":"\u0000"}]',
        "an event contains a value that the database can't store",
    ),
    (
        rb'[{"event":"x","createdAt":"2026-03-14T08:21:08Z","a":"\udc00"}]',
        "an event contains a value that the database can't store",
    ),
    (
        b'[{"event":"x","createdAt":"2026-03-14T08:21:08Z","a":1e200000}]',
        "an event contains a value that the database can't store",
    ),
    (json.dumps([UPDATED] * 101).encode(), "more than 100 events"),
]


class InboxClient:
    """Sends signed requests to an app that serves the inbox, as Enode does."""

    def __init__(self, pool):
        self.woken_users = []
        app = FastAPI()
        app.include_router(router)
        problem_responses.install_handlers(app)
        app.state.inbox = Inbox(pool, account_id="account-1", secrets=[SECRET], wake=self.woken_users.append)
        self._transport = httpx.ASGITransport(app)

    async def post(self, raw, signature=None, **options):
        headers = {"x-enode-signature": sign_body(raw) if signature is None else signature} | options.pop("headers", {})
        async with httpx.AsyncClient(transport=self._transport, base_url="http://relay") as http:
            return await http.post(ENODE_WEBHOOK_PATH, content=raw, headers=headers, **options)


@pytest.fixture
def client(pool):
    return InboxClient(pool)


async def list_rows(pool, columns="*"):
    async with pool.connection() as connection:
        return await (await connection.execute(f"select {columns} from webhook_logs order by id")).fetchall()


async def test_signed_delivery_is_stored_and_wakes_its_users(pool, client):
    heartbeat = make_event("system:heartbeat", NOON, None, pendingEvents=0)
    response = await client.post(json.dumps([UPDATED, heartbeat]).encode())
    assert (response.status_code, response.json()) == (200, {"status": "ok", "stored": 2, "known": 0})
    assert client.woken_users == [{USER}]
    first, second = await list_rows(
        pool, "account_id, source, event, version, user_id, enode_vehicle_id, payload, event_at, state, attempts"
    )
    assert first == ("account-1", "webhook", UPDATED["event"], "2024-10-01", USER, "car", UPDATED, NOON, "pending", 0)
    assert second[2:6] == ("system:heartbeat", "2024-10-01", None, None)


async def test_known_event_is_not_stored_again(pool, client):
    other = UPDATED | {"createdAt": "2026-11-23T12:00:01Z"}
    await client.post(json.dumps([UPDATED]).encode())
    response = await client.post(json.dumps([other, UPDATED, other], indent=1).encode())
    assert response.json() == {"status": "ok", "stored": 1, "known": 2}
    assert len(await list_rows(pool)) == 2


async def test_known_event_wakes_no_user(client):
    await client.post(json.dumps([UPDATED]).encode())
    await client.post(json.dumps([UPDATED]).encode())
    assert client.woken_users == [{USER}]


async def test_concurrent_copies_of_a_delivery_are_stored_once(pool, client):
    raw = json.dumps([UPDATED | {"n": n} for n in range(50)]).encode()
    responses = await asyncio.gather(*(client.post(raw) for _ in range(12)))
    assert [response.status_code for response in responses] == [200] * 12
    assert sum(response.json()["stored"] for response in responses) == 50
    assert len(await list_rows(pool)) == 50


async def test_events_with_the_same_time_keep_the_order_of_the_delivery(pool, client):
    await client.post(json.dumps([UPDATED | {"n": n} for n in range(100)]).encode())
    assert [payload["n"] for (payload,) in await list_rows(pool, "payload")] == list(range(100))


@pytest.mark.parametrize("signature", ["", "sha1=", "sha1=" + "0" * 40, sign_body(b"another body"), "sha1=\xe9"])
async def test_delivery_without_a_valid_signature_returns_401_and_is_neither_stored_nor_logged(
    pool, client, caplog, signature
):
    caplog.set_level(logging.DEBUG)
    raw = json.dumps([UPDATED]).encode()
    response = await client.post(raw, signature.encode("latin-1"))
    assert response.status_code == 401
    assert response.json()["type"] == "urn:evconduit:problem:unauthorized"
    assert await list_rows(pool) == []
    assert "5YJ3E7EB1KF000001" not in caplog.text + response.text


@pytest.mark.parametrize(("raw", "reason"), INVALID_BODIES, ids=range(len(INVALID_BODIES)))
async def test_signed_body_that_cannot_be_parsed_is_set_aside_unchanged(pool, client, raw, reason):
    for stored in (1, 0):
        response = await client.post(raw)
        assert (response.status_code, response.json()["stored"]) == (200, stored)
    assert await list_rows(pool, "raw, state, reason, payload, settled_at is not null") == [
        (raw, "set_aside", reason, None, True)
    ]


async def test_event_that_only_the_database_rejects_is_set_aside_and_the_others_are_stored(pool, client):
    deep = json.dumps(UPDATED | {"n": 1})[:-1] + ',"deep":' + "[" * 40_000 + "]" * 40_000 + "}"
    raw = f"[{json.dumps(UPDATED)},{deep},{json.dumps(UPDATED | {'n': 2})}]".encode()
    response = await client.post(raw)
    assert response.status_code == 200
    assert await list_rows(pool, "state, payload -> 'n', raw is null") == [
        ("pending", None, True),
        ("set_aside", None, False),
        ("pending", 2, True),
    ]
    [(set_aside,)] = (await list_rows(pool, "raw"))[1:2]
    assert json.loads(set_aside) == json.loads(deep)
    assert (await client.post(raw)).json() == {"status": "ok", "stored": 0, "known": 3}


async def test_bad_item_is_set_aside_and_its_good_neighbours_are_processed(pool, client):
    good = [json.dumps(UPDATED | {"n": n}).encode() for n in range(20)]
    bad = b'{"event":"x","createdAt":"2026-03-14T08:21:08Z","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    raw = b"[" + b",".join([*good[:10], bad, *good[10:]]) + b"]"
    for stored in (21, 0):
        response = await client.post(raw)
        assert (response.status_code, response.json()["stored"]) == (200, stored)
    rows = await list_rows(pool, "state, payload -> 'n', raw")
    assert [row for row in rows if row[0] == "set_aside"] == [("set_aside", None, bad)]
    assert [n for state, n, _ in rows if state == "pending"] == list(range(20))


async def test_large_body_keeps_no_other_request_waiting(pool, client):
    good = json.dumps(UPDATED).encode()
    large = b"[" + good + b"," + b'{"a":[' * 500_000 + b"]"
    posting = asyncio.create_task(client.post(large))
    turns = 0
    while not posting.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert (await posting).json()["stored"] == 2
    assert turns > 5


async def test_no_part_of_a_body_is_logged(client, caplog):
    caplog.set_level(logging.DEBUG)
    for raw, _ in INVALID_BODIES:
        await client.post(raw.replace(b'"x"', b'"5YJ3E7EB1KF000001"'))
    await client.post(json.dumps([UPDATED]).encode())
    assert "5YJ3E7EB1KF000001" not in caplog.text


async def test_too_large_body_returns_413_before_the_signature_is_checked(pool, client, monkeypatch):
    monkeypatch.setattr(routes, "MAX_BODY_BYTES", 1000)
    response = await client.post(b"x" * 1001, "sha1=wrong")
    assert (response.status_code, response.json()["type"]) == (413, "urn:evconduit:problem:too-large")

    async def endless_body():
        while True:
            yield b"x" * 100

    async with asyncio.timeout(5):
        async with httpx.AsyncClient(transport=client._transport, base_url="http://relay") as http:
            response = await http.post(ENODE_WEBHOOK_PATH, content=endless_body())
    assert response.status_code == 413
    assert (await client.post(b'"' + b"x" * 998 + b'"')).status_code == 200
    assert len(await list_rows(pool)) == 1


async def test_without_a_database_the_response_is_503_within_two_seconds(postgres):
    name = f"dropped_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as owner:
        owner.execute(sql.SQL("create database {} template template").format(sql.Identifier(name)))
        async with open_pool(make_conninfo(postgres, dbname=name), size=2) as pool:
            client = InboxClient(pool)
            assert (await client.post(b"[]")).status_code == 200
            owner.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
            for _ in range(4):
                started_at = time.monotonic()
                response = await client.post(json.dumps([UPDATED]).encode())
                assert (response.status_code, response.json()["type"]) == (503, "urn:evconduit:problem:unavailable")
                assert time.monotonic() - started_at < 2


async def test_hanging_database_returns_503_and_a_late_store_makes_the_retry_known(pool, client, database_url):
    raw = json.dumps([UPDATED]).encode()
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("lock table evconduit.webhook_logs in access exclusive mode")
        started_at = time.monotonic()
        response = await client.post(raw)
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "5"
        assert time.monotonic() - started_at < 2
        await other.rollback()
    retry = await client.post(raw)
    # Either request may have stored the event first; together they stored it once.
    assert retry.status_code == 200
    assert len(await list_rows(pool)) == 1
