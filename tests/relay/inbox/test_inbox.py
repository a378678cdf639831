"""The public door: POST /api/webhook/enode on a real database."""

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

from relay.inbox.routes import ENODE_WEBHOOK_PATH, router
from relay.inbox.service import Inbox
from relay.kit import problems
from relay.kit.database import open_pool
from tests.relay.support.enode_events import NOON, SECRET, make_event, make_vehicle, sign_body

USER = uuid4()
UPDATED = make_event("user:vehicle:updated", NOON, USER, vehicle=make_vehicle("car", NOON))
BAD = [
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


class Door:
    """Enode's side of the connection."""

    def __init__(self, pool, limit=4 * 1024 * 1024):
        self.woken = []
        app = FastAPI()
        app.include_router(router)
        problems.install_handlers(app)
        app.state.inbox = Inbox(pool, account_id="ours", secrets=[SECRET], wake=self.woken.append)
        app.state.inbox.max_body_bytes = limit
        self._transport = httpx.ASGITransport(app)

    async def post(self, raw, signature=None, **options):
        headers = {"x-enode-signature": sign_body(raw) if signature is None else signature} | options.pop("headers", {})
        async with httpx.AsyncClient(transport=self._transport, base_url="http://relay") as client:
            return await client.post(ENODE_WEBHOOK_PATH, content=raw, headers=headers, **options)


@pytest.fixture
def door(pool):
    return Door(pool)


async def rows(pool, columns="*"):
    async with pool.connection() as connection:
        return await (await connection.execute(f"select {columns} from webhook_logs order by id")).fetchall()


async def test_a_signed_delivery_is_stored_and_its_users_are_woken(pool, door):
    beat = make_event("system:heartbeat", NOON, None, pendingEvents=0)
    answer = await door.post(json.dumps([UPDATED, beat]).encode())
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "stored": 2, "known": 0})
    assert door.woken == [{USER}]
    first, second = await rows(
        pool, "account_id, source, event, version, user_id, enode_vehicle_id, payload, event_at, state, attempts"
    )
    assert first == ("ours", "webhook", UPDATED["event"], "2024-10-01", USER, "car", UPDATED, NOON, "pending", 0)
    assert second[2:6] == ("system:heartbeat", "2024-10-01", None, None)


async def test_what_is_known_is_not_stored_again(pool, door):
    other = UPDATED | {"createdAt": "2026-11-23T12:00:01Z"}
    await door.post(json.dumps([UPDATED]).encode())
    answer = await door.post(json.dumps([other, UPDATED, other], indent=1).encode())
    assert answer.json() == {"status": "ok", "stored": 1, "known": 2}
    assert len(await rows(pool)) == 2


async def test_nobody_is_woken_for_what_is_known(door):
    await door.post(json.dumps([UPDATED]).encode())
    await door.post(json.dumps([UPDATED]).encode())
    assert door.woken == [{USER}]


async def test_the_same_delivery_many_times_at_once_is_stored_once(pool, door):
    raw = json.dumps([UPDATED | {"n": n} for n in range(50)]).encode()
    answers = await asyncio.gather(*(door.post(raw) for _ in range(12)))
    assert [it.status_code for it in answers] == [200] * 12
    assert sum(it.json()["stored"] for it in answers) == 50
    assert len(await rows(pool)) == 50


async def test_events_of_one_moment_keep_the_order_in_which_they_were_sent(pool, door):
    await door.post(json.dumps([UPDATED | {"n": n} for n in range(100)]).encode())
    assert [payload["n"] for (payload,) in await rows(pool, "payload")] == list(range(100))


@pytest.mark.parametrize("signature", ["", "sha1=", "sha1=" + "0" * 40, sign_body(b"another body"), "sha1=\xe9"])
async def test_what_is_not_signed_is_401_and_leaves_no_trace(pool, door, caplog, signature):
    caplog.set_level(logging.DEBUG)
    raw = json.dumps([UPDATED]).encode()
    answer = await door.post(raw, signature.encode("latin-1"))
    assert answer.status_code == 401
    assert answer.json()["type"] == "urn:evconduit:problem:unauthorized"
    assert await rows(pool) == []
    assert "5YJ3E7EB1KF000001" not in caplog.text + answer.text


@pytest.mark.parametrize(("raw", "reason"), BAD, ids=range(len(BAD)))
async def test_what_is_signed_and_odd_is_kept_as_it_came(pool, door, raw, reason):
    for stored in (1, 0):
        answer = await door.post(raw)
        assert (answer.status_code, answer.json()["stored"]) == (200, stored)
    assert await rows(pool, "raw, state, reason, payload, settled_at is not null") == [
        (raw, "set_aside", reason, None, True)
    ]


async def test_what_only_the_database_refuses_is_kept_too_and_alone(pool, door):
    deep = json.dumps(UPDATED | {"n": 1})[:-1] + ',"deep":' + "[" * 40_000 + "]" * 40_000 + "}"
    raw = f"[{json.dumps(UPDATED)},{deep},{json.dumps(UPDATED | {'n': 2})}]".encode()
    answer = await door.post(raw)
    assert answer.status_code == 200
    assert await rows(pool, "state, payload -> 'n', raw") == [
        ("pending", None, None),
        ("pending", 2, None),
        ("set_aside", None, raw),
    ]


async def test_nothing_of_a_body_is_logged(door, caplog):
    caplog.set_level(logging.DEBUG)
    for raw, _ in BAD:
        await door.post(raw.replace(b'"x"', b'"5YJ3E7EB1KF000001"'))
    await door.post(json.dumps([UPDATED]).encode())
    assert "5YJ3E7EB1KF000001" not in caplog.text


async def test_too_large_is_413_before_anything_is_looked_at(pool):
    door = Door(pool, limit=1000)
    answer = await door.post(b"x" * 1001, "sha1=wrong")
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:evconduit:problem:too-large")

    async def endless():
        while True:
            yield b"x" * 100

    async with asyncio.timeout(5):
        async with httpx.AsyncClient(transport=door._transport, base_url="http://relay") as client:
            answer = await client.post(ENODE_WEBHOOK_PATH, content=endless())
    assert answer.status_code == 413
    assert (await door.post(b'"' + b"x" * 998 + b'"')).status_code == 200
    assert len(await rows(pool)) == 1


async def test_without_the_database_it_is_503_within_two_seconds(postgres):
    name = f"doomed_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as owner:
        owner.execute(sql.SQL("create database {} template template").format(sql.Identifier(name)))
        async with open_pool(make_conninfo(postgres, dbname=name), size=2) as pool:
            door = Door(pool)
            assert (await door.post(b"[]")).status_code == 200
            owner.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
            for _ in range(4):
                began = time.monotonic()
                answer = await door.post(json.dumps([UPDATED]).encode())
                assert (answer.status_code, answer.json()["type"]) == (503, "urn:evconduit:problem:unavailable")
                assert time.monotonic() - began < 2


async def test_a_database_that_hangs_is_503_too_and_what_gets_through_later_is_known(pool, door, database_url):
    raw = json.dumps([UPDATED]).encode()
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("lock table evconduit.webhook_logs in access exclusive mode")
        began = time.monotonic()
        answer = await door.post(raw)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"
        assert time.monotonic() - began < 2
        await other.rollback()
    again = await door.post(raw)
    # Who of the two came first is the database's business; together they stored it once.
    assert again.status_code == 200
    assert len(await rows(pool)) == 1
