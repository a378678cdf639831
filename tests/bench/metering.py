"""The benchmark of metered calls with a long history."""

import statistics

import psycopg

from tests.bench.cases import Scale
from tests.bench.environment import Account, Environment, create_accounts
from tests.bench.load import LoadResult, SendRequest, run_closed_loop
from tests.bench.report import Row

VEHICLES_PATH, USAGE_PATH = "/api/ha/v2/vehicles", "/api/me/usage"


async def measure_metering(environment: Environment, scale: Scale) -> list[Row]:
    """Measure a metered call and a usage report, for a user without history against one with a long history.

    Two relays on two databases are measured alternately.
    """
    history, rounds, requests = scale(10_000_000, 20_000, 1_000), scale(12, 3, 1), scale(150, 20, 8)
    databases = environment.create_database(shared=False), environment.create_database(shared=False)
    accounts = [create_accounts(database, 1)[0] for database in databases]
    insert_history(databases[1], accounts[1], history)
    results: dict[str, tuple[list[LoadResult], list[LoadResult]]] = {VEHICLES_PATH: ([], []), USAGE_PATH: ([], [])}
    async with (
        environment.run_relay(databases[0], "serve", "--no-worker") as empty_relay,
        environment.run_relay(databases[1], "serve", "--no-worker") as full_relay,
    ):
        for number in range(rounds + 1):  # the first round is a warm-up
            for path, path_results in results.items():
                # Usage reports are not metered but limited to 60 a minute.
                count = requests if path == VEHICLES_PATH else 4
                sides = list(zip((empty_relay, full_relay), accounts, path_results, strict=True))
                # Alternate the order, so that other load on the machine does not appear as a difference.
                for server, account, side_results in sides if number % 2 else reversed(sides):
                    send_request = get_repeatedly(server.url + path, account)
                    result = await run_closed_loop(send_request, requests=count, concurrency=4)
                    if number:
                        side_results.append(result)
    rows = []
    for path, path_results in results.items():
        empty, full = (statistics.median(result.percentile(0.5) for result in side) for side in path_results)
        budget = 1.1 if path == VEHICLES_PATH else None
        figures = f"median {empty:.2f} ms empty, {full:.2f} ms after {history:,} calls"
        rows.append(Row(bench="metering", what=f"GET {path}", figures=figures, ratio=full / empty, budget=budget))
    return rows


def get_repeatedly(url: str, account: Account) -> SendRequest:
    """Return a function that sends a GET request for `url`."""

    async def send_request(http, _number: int) -> None:
        async with http.get(url, headers=account.headers) as response:
            assert response.status == 200, response.status
            await response.read()

    return send_request


def insert_history(database: str, account: Account, calls: int) -> None:
    """Insert `calls` past calls of this account, 3 s apart, with their daily and monthly totals."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("set search_path to evconduit; set synchronous_commit = off")
        connection.execute("set session_replication_role = replica")  # skips the foreign key check of each row
        connection.execute("update users set quota_anchor = date_trunc('month', now()) - interval '1 year'")
        for start in range(0, calls, 1_000_000):
            connection.execute(
                "insert into poll_logs (user_id, endpoint, paid_by, period, created_at) "
                "select %s, 'v2/vehicles', 'allowance', date_trunc('month', at), at "
                "from (select now() - it * interval '3 seconds' as at from generate_series(%s::int, %s::int) it)",
                [account.id, start + 1, min(calls, start + 1_000_000)],
            )
        connection.execute(
            "insert into usage_days (user_id, period, day, endpoint, calls) "
            "select user_id, period, created_at::date, endpoint, count(*) from poll_logs group by 1, 2, 3, 4"
        )
        connection.execute("insert into usage_months select user_id, period, sum(calls) from usage_days group by 1, 2")
        connection.execute("vacuum analyze poll_logs")
        connection.execute("checkpoint")
