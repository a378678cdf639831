"""The benchmark of open streams."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp

from tests.bench.cases import ENODE_WEBHOOK_PATH, Scale, build_deliveries
from tests.bench.environment import Account, Environment, Server, create_accounts
from tests.bench.load import build_delivery, build_update_event, open_session, post_in_turn, run_closed_loop
from tests.bench.report import Row


async def measure_streams(environment: Environment, scale: Scale) -> list[Row]:
    """Measure the memory of open streams, and a burst for 1,000 users against a bare fan-out of the same bytes."""
    count, memory_count = scale(1000, 50, 20), scale(2000, 100, 20)
    database = environment.create_database()
    accounts = create_accounts(database, count)
    body = build_deliveries(accounts[:1], 1)[0][0]
    async with (
        environment.run_relay(database, "serve") as relay,
        environment.run_module("tests.bench.floor") as floor_server,
    ):
        burst = [
            build_delivery(*(build_update_event(account, 7) for account in accounts[start : start + 100]))
            for start in range(0, count, 100)
        ]
        send_request = post_in_turn(relay.url + ENODE_WEBHOOK_PATH, burst)
        ours = await measure_fan_out(
            relay, count, accounts, lambda: run_closed_loop(send_request, requests=len(burst), concurrency=4)
        )
        memory = await measure_stream_memory(relay, accounts, memory_count)

        async def post_fan_out() -> object:
            async with (
                open_session(1) as http,
                http.post(f"{floor_server.url}/fan-out", data=b"event: vehicle\ndata: " + body + b"\n\n") as response,
            ):
                return await response.read()

        floor = await measure_fan_out(floor_server, count, None, post_fan_out)
    return [
        Row(
            bench="streams",
            what=f"memory of a stream, {memory_count} open in one process",
            figures=f"{memory:.0f} KiB",
            ratio=memory,
            budget=64,
        ),
        Row(
            bench="streams",
            what=f"{count} users woken by one burst: events received, processed, delivered",
            figures=f"{ours:.2f} s for {count} events; a bare fan-out of the same bytes {floor:.2f} s",
        ),
    ]


async def measure_fan_out(
    server: Server, count: int, accounts: list[Account] | None, trigger: Callable[[], Awaitable[object]]
) -> float:
    """Open `count` streams, run `trigger`, and return the seconds until each stream has a vehicle message."""
    finished, opened = 0, 0
    all_finished, all_opened = asyncio.Event(), asyncio.Event()

    async def read_stream(http, account: Account | None) -> None:
        nonlocal finished, opened
        path = "/api/ha/v2/stream" if account else "/stream"
        headers = account.headers if account else {}
        async with http.get(server.url + path, headers=headers, timeout=None) as response:
            assert response.status == 200, response.status
            async for line in response.content:
                if line.startswith(b"event: snapshot"):
                    opened += 1
                    if opened == count:
                        all_opened.set()
                elif line.startswith(b"event: vehicle"):
                    finished += 1
                    if finished == count:
                        all_finished.set()
                    return

    async with open_session(count + 10) as http, asyncio.timeout(120):
        tasks = [
            asyncio.create_task(read_stream(http, accounts[number] if accounts else None)) for number in range(count)
        ]
        await all_opened.wait()
        started_at = time.perf_counter()
        await trigger()
        await all_finished.wait()
        seconds = time.perf_counter() - started_at
        await asyncio.gather(*tasks)
    return seconds


async def measure_stream_memory(server: Server, accounts: list[Account], count: int) -> float:
    """Open `count` streams and return the KiB of resident memory that each of them takes."""
    responses: list[aiohttp.ClientResponse] = []
    async with open_session(count + 10) as http, asyncio.timeout(180):
        memory_before = server.resident_kib
        for start in range(0, count, 50):
            batch = [accounts[number % len(accounts)] for number in range(start, min(count, start + 50))]
            responses += await asyncio.gather(
                *(
                    http.get(f"{server.url}/api/ha/v2/stream", headers=account.headers, timeout=None)
                    for account in batch
                )
            )
        assert all(response.status == 200 for response in responses)
        memory = (server.resident_kib - memory_before) / count
        for response in responses:
            response.close()
        return memory
