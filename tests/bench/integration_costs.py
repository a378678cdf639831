"""The benchmark of what the integration costs Home Assistant's event loop: its setup, and one message."""

import asyncio
import json
import statistics
import subprocess
import sys
from os import environ

from tests.bench.cases import ENODE_WEBHOOK_PATH, Scale, wait_until_processed
from tests.bench.environment import ROOT, Account, Environment, create_accounts
from tests.bench.load import build_delivery, build_update_event, post_in_turn, run_closed_loop
from tests.bench.report import Row

VEHICLES = 20
SETUP_BUDGET = 4.0
"""Of a bare integration that adds as many entities. Setup also reads a file, and waits for two answers of the relay."""
PUSH_BUDGET = 8.0
"""Of parsing the JSON and writing the states of the car. A message is also parsed into its members and compared."""


async def measure_integration_costs(environment: Environment, scale: Scale) -> list[Row]:
    """Measure with 20 vehicles of one account."""
    database = environment.create_database()
    [owner] = create_accounts(database, 1)
    vehicles = [Account(owner.id, owner.key, f"enode-car-{number}") for number in range(VEHICLES)]
    output_path = environment.folder / "hass_costs.json"
    async with environment.run_relay(database, "serve") as relay:
        deliveries = [build_delivery(build_update_event(vehicle, number)) for number, vehicle in enumerate(vehicles)]
        post = post_in_turn(relay.url + ENODE_WEBHOOK_PATH, deliveries)
        await run_closed_loop(post, requests=VEHICLES, concurrency=1)
        await wait_until_processed(database)
        variables = {
            "BENCH_URL": relay.url,
            "BENCH_KEY": owner.key,
            "BENCH_USER": str(owner.id),
            "BENCH_OUTPUT": str(output_path),
            "BENCH_ROUNDS": str(scale(7, 2, 1)),
            "BENCH_PUSHES": str(scale(1000, 200, 20)),
        }
        await asyncio.to_thread(run_measurement, variables)
    results = json.loads(output_path.read_text(encoding="utf-8"))
    return [build_setup_row(results["setup"]), build_push_row(results["push"])]


def run_measurement(variables: dict[str, str]) -> None:
    """Run tests.bench.hass_costs, which must succeed."""
    command = [sys.executable, "-m", "tests.bench.hass_costs"]
    result = subprocess.run(command, env=environ | variables, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]


def build_setup_row(setup: dict) -> Row:
    """Build the row of setup."""
    ours, floor = statistics.median(setup["ours"]), statistics.median(setup["floor"])
    figures = (
        f"{ours * 1e3:.0f} ms, the first time {setup['first'] * 1e3:.0f} ms (target: < 1000 ms); a bare integration "
        f"with {setup['entities']} entities {floor * 1e3:.0f} ms"
    )
    return Row(
        bench="integration",
        what=f"setup of {VEHICLES} cars",
        figures=figures,
        ratio=ours / floor,
        budget=SETUP_BUDGET,
    )


def build_push_row(push: dict[str, list[float]]) -> Row:
    """Build the row of one message."""
    ours, floor = statistics.median(push["ours"]), statistics.median(push["floor"])
    p99 = sorted(push["ours"])[int(len(push["ours"]) * 0.99)]
    figures = (
        f"{ours * 1e3:.2f} ms of the event loop, p99 {p99 * 1e3:.2f} ms (target: < 5 ms); JSON and states alone "
        f"{floor * 1e3:.2f} ms"
    )
    return Row(
        bench="integration",
        what="one push that changes three entities",
        figures=figures,
        ratio=ours / floor,
        budget=PUSH_BUDGET,
    )
