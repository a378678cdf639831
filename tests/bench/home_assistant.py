"""From Enode's POST to the state of an entity in a real Home Assistant core."""

import asyncio
import json
import os
import subprocess
import sys
import time

from tests.bench.cases import ENODE, Scale, settled
from tests.bench.load import Outcome, closed_loop, open_loop, posting, signed, update
from tests.bench.report import Row
from tests.bench.world import ROOT, Person, World, people

CARS = 10


async def entity_state(world: World, scale: Scale) -> list[Row]:
    """At 100 events a second, over the stream; ten cars of one account."""
    database, count = world.database(), scale(1000, 50)
    [owner] = people(database, 1)
    cars = [Person(owner.id, owner.key, f"enode-car-{number}") for number in range(CARS)]
    async with world.relay(database, "serve") as relay:
        first = [signed(update(car, 100_000 + number)) for number, car in enumerate(cars)]
        await closed_loop(posting(relay.url + ENODE, first), requests=CARS, at_once=1)
        await settled(database)
        sent: dict[int, float] = {}
        made = [signed(update(cars[number % CARS], number + 1)) for number in range(count)]
        post = posting(relay.url + ENODE, made)

        async def ask(http, number: int) -> None:
            sent[number + 1] = time.perf_counter()
            await post(http, number)

        notes = world.folder / "told.json"
        environment = {
            "BENCH_URL": relay.url,
            "BENCH_KEY": owner.key,
            "BENCH_USER": str(owner.id),
            "BENCH_NOTES": str(notes),
        }
        hass = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.hass"],
            env=os.environ | environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            async with asyncio.timeout(60):
                assert await asyncio.to_thread(hass.stdout.readline) == "ready\n"
            await open_loop(ask, requests=count, per_second=100)
            await settled(database)
            await asyncio.sleep(1)
            await asyncio.to_thread(hass.communicate, "\n", 60)
        finally:
            hass.kill()
    told = {int(marker): at for marker, at in json.loads(notes.read_text()).items()}
    outcome = Outcome(seconds=1, each=[max(told[it] - sent[it], 0) for it in sent if it in told])
    assert outcome.each, "Home Assistant was told nothing"
    figures = (
        f"p50 {outcome.percentile(0.5):.1f} ms, p99 {outcome.percentile(0.99):.1f} ms; {len(outcome.each)} of {count} "
        "shown one by one (aim: p50 < 50, p99 < 250 ms)"
    )
    return [Row(bench="home-assistant", what="POST → entity state at 100 events/s, ten cars", figures=figures)]
