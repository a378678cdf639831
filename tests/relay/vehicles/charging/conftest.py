"""A connection, and functions that write samples and read rows."""

import pytest

from relay.vehicles.charging import repository
from relay.vehicles.charging.derivation import DerivationState
from relay.vehicles.charging.ledger import ChargingLedger, LedgerAmendment
from tests.relay.support.charging import COUNTERS, make_raw


@pytest.fixture
async def connection(pool):
    async with pool.connection() as connection:
        yield connection


@pytest.fixture
def save(connection, account):
    async def save_sample(sample, *sessions, counters=COUNTERS, removed=(), vehicle_id=None, session=None):
        amendment = LedgerAmendment(
            sessions=sessions,
            removed_ids=tuple(removed),
            ledger=ChargingLedger(state=DerivationState(last=sample), session=session, counters=counters),
        )
        raw = make_raw(sample)
        await repository.save_sample(connection, account.user_id, vehicle_id or account.vehicle_id, raw, amendment)

    return save_sample


@pytest.fixture
def fetch(connection):
    async def fetch_rows(statement, *parameters):
        return await (await connection.execute(statement, parameters)).fetchall()

    return fetch_rows
