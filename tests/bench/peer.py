"""The peer: the plain design that this relay replaces. Eleven statements in sequence, delivery inside the request."""

import hashlib
import hmac
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import uvicorn
from fastapi import FastAPI, Request
from psycopg_pool import AsyncConnectionPool

SECRET = os.environ["BENCH_SECRET"].encode()
SETTINGS = ("rate.free", "rate.basic", "rate.pro", "linked.basic", "linked.pro")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async def prepare(connection) -> None:
        await connection.set_autocommit(True)
        await connection.execute("set role evconduit_relay; set search_path to evconduit")

    async with (
        AsyncConnectionPool(os.environ["BENCH_DATABASE"], min_size=2, max_size=8, configure=prepare) as pool,
        httpx.AsyncClient(timeout=10) as http,
    ):
        app.state.pool, app.state.http = pool, http
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/ready")
async def ready() -> dict:
    return {}


@app.post("/webhook")
async def webhook(request: Request) -> dict:
    raw = await request.body()
    expected = "sha1=" + hmac.new(SECRET, raw, hashlib.sha1).hexdigest()
    assert hmac.compare_digest(expected, request.headers["x-enode-signature"])
    for event in json.loads(raw):
        await process_event(event)
    return {"status": "ok"}


async def process_event(event: dict) -> None:
    user_id, vehicle = event["user"]["id"], event["vehicle"]
    async with app.state.pool.connection() as connection:
        await connection.execute("select * from users where id = %s", [user_id])
        await connection.execute("select * from api_keys where user_id = %s", [user_id])
        await connection.execute("select * from usage_months where user_id = %s", [user_id])
        for key in SETTINGS:
            await connection.execute("select value from settings where key = %s", [key])
        await connection.execute("select count(*) from poll_logs where user_id = %s", [user_id])
        await connection.execute(
            "insert into webhook_logs (account_id, digest, event, payload, event_at) "
            "values ('peer', %s, 'x', %s, now()) on conflict do nothing",
            [hashlib.sha256(json.dumps(event).encode()).digest(), json.dumps(event)],
        )
        await connection.execute(
            "update vehicles set vehicle_cache = %s where user_id = %s", [json.dumps(vehicle), user_id]
        )
    if receiver := os.environ.get("BENCH_RECEIVER"):
        with suppress(httpx.HTTPError):
            await app.state.http.post(receiver, json=event)


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["BENCH_PORT"]), log_level="warning", access_log=False)
