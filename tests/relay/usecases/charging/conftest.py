"""A client of the relay and recorded charging sessions."""

from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from relay.app import create_app
from relay.settings import Settings
from tests.relay.support.charging import NOW
from tests.relay.support.enode_events import Pipeline


@pytest.fixture
async def api(database_url, tmp_path, account):
    settings = Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32)
    app = create_app(settings, database_url, with_worker=False)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": account.header}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://relay", headers=headers) as client,
    ):
        yield client


@pytest.fixture
async def pipeline(pool, account):
    """Processes events about the account, which has no vehicle yet."""
    pipeline = Pipeline(pool, account.user_id)
    await pipeline.execute("delete from vehicles")
    return pipeline


@pytest.fixture
def add_session(pool, account):
    """Add a session that began `hours` ago; returns its id."""

    async def add(hours, *, vehicle_id=None, changed=None, **row):
        began = NOW - timedelta(hours=hours)
        row = {
            "id": uuid4(),
            "vehicle_id": vehicle_id or account.vehicle_id,
            "started_at": began,
            "ended_at": began + timedelta(minutes=30),
            "open": False,
            "energy_kwh": 3.6,
            "energy_source": "power",
            "changed_at": changed or began + timedelta(minutes=30),
        } | row
        async with pool.connection() as connection:
            names = ", ".join(row)
            places = ", ".join(f"%({name})s" for name in row)
            await connection.execute(f"insert into charging_sessions ({names}) values ({places})", row)
        return str(row["id"])

    return add
