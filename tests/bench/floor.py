"""The floor: bare FastAPI handlers that do only the minimum, as a lower bound for the relay's figures."""

import asyncio
import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from relay.identity.credentials import hash_secret
from relay.plans import SELF_HOSTED_PLANS
from relay.usecases.calls.authorize_statements import AUTHORIZE

SECRET = os.environ["BENCH_SECRET"].encode()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async def prepare(connection) -> None:
        await connection.set_autocommit(True)
        await connection.execute("set role evconduit_relay; set search_path to evconduit, procrastinate")

    database = os.environ["BENCH_DATABASE"]
    app.state.listeners = []
    if not database:
        yield
        return
    async with AsyncConnectionPool(database, min_size=2, max_size=8, configure=prepare) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/ready")
async def ready() -> dict:
    return {}


@app.post("/ingest")
async def ingest(request: Request) -> dict:
    """Verify the signature and insert one row per delivery."""
    raw = await request.body()
    expected = "sha1=" + hmac.new(SECRET, raw, hashlib.sha1).hexdigest()
    assert hmac.compare_digest(expected, request.headers["x-enode-signature"])
    async with app.state.pool.connection() as connection:
        await connection.execute(
            "insert into webhook_logs (account_id, digest, event, payload, event_at) "
            "values ('floor', %s, 'x', %s, now()) on conflict do nothing",
            [hashlib.sha256(raw).digest(), raw.decode()],
        )
    return {"status": "ok"}


@app.get("/status/{vehicle}")
async def status(vehicle: str, request: Request) -> dict:
    """Run the relay's one statement and return its row unchanged."""
    key = request.headers["authorization"].removeprefix("Bearer ")
    parameters = {
        "lookup": hash_secret(key),
        "allowances": SELF_HOSTED_PLANS.monthly_calls_json,
        "scope": "read",
        "endpoint": "floor",
    }
    async with app.state.pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(AUTHORIZE["key"], parameters | {"vehicle": vehicle})
        row = await cursor.fetchone()
    return row["vehicle_cache"]


@app.get("/stream")
async def stream() -> StreamingResponse:
    """Stream what is posted to /fan-out."""
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    app.state.listeners.append(queue)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"event: snapshot\ndata: {}\n\n"
        while True:
            yield await queue.get()

    return StreamingResponse(chunks(), media_type="text/event-stream")


@app.post("/fan-out")
async def fan_out(request: Request) -> dict:
    raw = await request.body()
    for queue in app.state.listeners:
        queue.put_nowait(raw)
    return {}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["BENCH_PORT"]), log_level="warning", access_log=False)
