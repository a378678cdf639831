"""`evconduit vehicle`: linking and unlinking from the command line, with the simulated Enode behind it."""

import asyncio
import re

import pytest
from typer.testing import CliRunner

from relay.cli import app
from relay.kit.errors import OperatorError
from tests.demo.enode.running_simulator import run_signed_in_simulator


@pytest.fixture(scope="module")
def enode():
    with run_signed_in_simulator() as simulator:
        yield simulator


@pytest.fixture
def evconduit(tmp_path, database_url, enode):
    """Runs an `evconduit` command in this process and returns what it printed."""
    environment = {
        "EVCONDUIT_DATA": str(tmp_path),
        "DATABASE_URL": database_url,
        "EVCONDUIT_PUBLIC_URL": "https://relay.test",
        "ENODE_CLIENT_ID": enode.settings.client_id,
        "ENODE_CLIENT_SECRET": enode.settings.client_secret,
        "ENODE_BASE_URL": enode.url,
        "ENODE_AUTH_URL": f"{enode.url}/oauth2/token",
    }

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments), env=environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.stdout.strip()

    return run


@pytest.fixture
def user(evconduit):
    return evconduit("user", "add", "me@example.org")


def test_vehicle_link_prints_the_address_of_a_link_page(evconduit, user):
    printed = evconduit("vehicle", "link", "--user", user, "--vendor", "tesla")
    assert re.fullmatch(r"https://relay\.test/link/[A-Za-z0-9_-]{43}", printed)
    with pytest.raises(OperatorError, match=r"can't link cars of 'Trabant': choose one of .*TESLA"):
        evconduit("vehicle", "link", "--user", user, "--vendor", "Trabant")


async def insert_vehicle(pool, user, enode_id):
    async with pool.connection() as connection:
        await connection.execute(
            """
            with vehicle as (insert into vehicles (user_id, vendor, vehicle_cache, revision)
                         values (%s, 'XPENG', '{"vendor": "XPENG", "information": {"brand": "XPENG"}}', 0) returning id)
            insert into vehicle_links (enode_vehicle_id, vehicle_id) select %s, id from vehicle
            """,
            [user, enode_id],
        )


async def test_vehicle_unlink_lists_the_vehicles_and_unlinks_only_with_yes(evconduit, user, pool, enode):
    enode_id = await asyncio.to_thread(enode.link_car, "xpeng-g6", user=user)
    await insert_vehicle(pool, user, enode_id)

    def run(*options: str) -> str:
        return evconduit("vehicle", "unlink", enode_id, "--user", user, *options)

    assert "XPENG" in await asyncio.to_thread(run)
    assert (await asyncio.to_thread(enode.json, "GET", f"/users/{user}"))["linkedVendors"] != []
    assert "XPENG" in await asyncio.to_thread(run, "--yes")
    assert (await asyncio.to_thread(enode.json, "GET", f"/users/{user}"))["linkedVendors"] == []
    with pytest.raises(OperatorError, match="No such vehicle"):
        await asyncio.to_thread(run)
