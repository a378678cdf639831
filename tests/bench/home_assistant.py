"""The benchmark from Enode's POST to the state of an entity in a real Home Assistant core."""

import asyncio
import json
import os
import subprocess
import sys
import time

from tests.bench.cases import ENODE_WEBHOOK_PATH, Scale, wait_until_processed
from tests.bench.environment import ROOT, Account, Environment, create_accounts
from tests.bench.load import (
    LoadResult,
    build_delivery,
    build_update_event,
    post_in_turn,
    read_marker,
    run_closed_loop,
    run_open_loop,
)
from tests.bench.report import Row

VEHICLES = 10


async def measure_entity_state(environment: Environment, scale: Scale) -> list[Row]:
    """Measure the latency over the stream at 100 events a second, for ten vehicles of one account."""
    database, count = environment.create_database(), scale(1000, 50, 20)
    [owner] = create_accounts(database, 1)
    vehicles = [Account(owner.id, owner.key, f"enode-car-{number}") for number in range(VEHICLES)]
    sent_at: dict[int, float] = {}
    output_path = environment.folder / "received_at.json"
    async with environment.run_relay(database, "serve") as relay:
        url = relay.url + ENODE_WEBHOOK_PATH
        initial = [
            build_delivery(build_update_event(vehicle, 100_000 + number)) for number, vehicle in enumerate(vehicles)
        ]
        await run_closed_loop(post_in_turn(url, initial), requests=VEHICLES, concurrency=1)
        await wait_until_processed(database)
        bodies = [
            build_delivery(build_update_event(vehicles[number % VEHICLES], number + 1)) for number in range(count)
        ]
        post = post_in_turn(url, bodies)

        async def send_request(http, number: int) -> None:
            sent_at[number + 1] = time.perf_counter()
            await post(http, number)

        hass = start_home_assistant(relay.url, owner, str(output_path))
        try:
            async with asyncio.timeout(60):
                assert await asyncio.to_thread(hass.stdout.readline) == "ready\n"
            await run_open_loop(send_request, requests=count, per_second=100)
            await wait_until_processed(database)
            await asyncio.sleep(1)
            await asyncio.to_thread(hass.communicate, "\n", 60)
        finally:
            hass.kill()
    received_at = {read_marker(float(longitude)): at for longitude, at in json.loads(output_path.read_text()).items()}
    durations = [max(received_at[marker] - sent_at[marker], 0) for marker in sent_at if marker in received_at]
    assert durations, "Home Assistant received no update"
    return [build_row(LoadResult(seconds=1, durations=durations), count)]


def start_home_assistant(url: str, owner: Account, output_path: str) -> subprocess.Popen:
    """Start tests.bench.hass with an entry for this account."""
    variables = {
        "BENCH_URL": url,
        "BENCH_KEY": owner.key,
        "BENCH_USER": str(owner.id),
        "BENCH_OUTPUT": output_path,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bench.hass"],
        env=os.environ | variables,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def build_row(result: LoadResult, count: int) -> Row:
    figures = (
        f"p50 {result.percentile(0.5):.1f} ms, p99 {result.percentile(0.99):.1f} ms; {len(result.durations)} of "
        f"{count} shown individually (target: p50 < 50, p99 < 250 ms)"
    )
    return Row(bench="home-assistant", what="POST → entity state at 100 events/s, ten cars", figures=figures)
