"""The charging history in the database: what is written is read back, and what each query finds or changes."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from relay.vehicles.charging import repository
from relay.vehicles.charging.derivation import DerivationState
from relay.vehicles.charging.home import HomeLocation
from relay.vehicles.charging.ledger import ChargingLedger
from relay.vehicles.charging.rows import parse_ledger
from tests.relay.support.charging import COUNTERS, PLACE, age_sessions, at, charging, make_raw, make_session, stopped


async def test_sample_is_read_back_and_replaced_by_another_of_its_moment(connection, account, save):
    sample = charging(5, 40, 11, place=PLACE, version=1)
    await save(sample)
    assert await repository.find_sample(connection, account.vehicle_id, at(5)) == make_raw(sample)
    assert await repository.find_sample(connection, account.vehicle_id, at(6)) is None
    assert await repository.find_sample(connection, uuid4(), at(5)) is None
    corrected = stopped(5, 41, capacity=60.0, place=replace(PLACE, latitude=1.0), version=2)
    await save(replace(corrected, place_version="other"))
    found = await repository.find_sample(connection, account.vehicle_id, at(5))
    assert found == make_raw(replace(corrected, place_version="other"))


async def test_ledger_and_counters_are_replaced(account, save, fetch):
    await save(charging(5, 40), session=make_session(0, 5))
    changed = replace(COUNTERS, counted_kwh=6.0, counted_home_kwh=7.0, lifetime_kwh=8.0, home_kwh=9.0)
    await save(charging(10, 42), counters=changed)
    [(row,)] = await fetch("select to_jsonb(e) from vehicle_energy e where vehicle_id = %s", account.vehicle_id)
    ledger = ChargingLedger(state=DerivationState(last=charging(10, 42)), counters=changed)
    assert parse_ledger(row) == ledger


HOME_COUNTERS = {
    # case: whether the user has a home, the counter of the sessions, the stored counter
    "starts at zero when the user has a home": (True, None, 0.0),
    "is unknown without a home": (False, None, None),
    "is that of the sessions": (True, 4.0, 4.0),
    "stays after the home was deleted": (False, 4.0, 4.0),
}


async def test_home_counter_needs_a_home_of_the_user_or_a_session_at_one(
    connection, account, save, fetch, make_account
):
    other = await make_account()
    for case, (has_home, home_kwh, stored) in HOME_COUNTERS.items():
        async with connection.transaction(force_rollback=True):
            owner = account if has_home else other
            await fetch("insert into home_places values (%s, 52, 5, 500) returning user_id", owner.user_id)
            await save(charging(5, 40), counters=replace(COUNTERS, home_kwh=home_kwh))
            assert (case, await fetch("select home_kwh from vehicle_energy")) == (case, [(stored,)])


async def fetch_times(fetch):
    return await fetch(
        "select started_at, ended_at, open, changed_at > now() - interval '1 hour', amended_at is not null"
        " from charging_sessions order by id"
    )


async def test_session_is_amended_only_by_a_change_after_its_end(save, fetch):
    await save(charging(5, 40), make_session(0, 5, open_=True))
    assert await fetch_times(fetch) == [(at(0), at(5), True, True, False)]
    await age_sessions(fetch)
    await save(charging(10, 42), make_session(0, 10, open_=True))
    await save(charging(15, 42), make_session(0, 15))
    assert await fetch_times(fetch) == [(at(0), at(15), False, True, False)]
    await age_sessions(fetch)
    await save(charging(20, 42), make_session(0, 15))
    assert await fetch_times(fetch) == [(at(0), at(15), False, False, False)]
    await save(charging(25, 42), make_session(0, 20))
    assert await fetch_times(fetch) == [(at(0), at(20), False, True, True)]


CHANGED_COLUMNS = {
    "started_at": {"started_at": at(-1)},
    "ended_at": {"ended_at": at(6)},
    "open": {"open": True},
    "energy_kwh": {"power_kwh": 6.0},
    "energy_source": {"power_kwh": None, "soc_kwh": 5.0},
    "soc_start": {"soc_start": 41.0},
    "soc_end": {"soc_end": None},
    "peak_kw": {"peak_kw": 12.0},
    "kind": {"kind": "discharge", "soc_start": 60.0, "soc_end": 50.0},
    "estimated": {"estimated": True},
    "latitude": {"place": replace(PLACE, latitude=1.0)},
    "longitude": {"place": replace(PLACE, longitude=1.0)},
    "odometer_km": {"place": replace(PLACE, odometer_km=None)},
}


async def test_every_column_of_a_session_is_written_and_counts_as_a_change(save, fetch):
    for number, (column, members) in enumerate(CHANGED_COLUMNS.items(), start=1):
        session = make_session(0, 5, number)
        await save(charging(5, 40), session)
        await age_sessions(fetch)
        changed = replace(session, period=replace(session.period, **members))
        await save(charging(5, 40), changed)
        statement = f"select {column}, changed_at > now() - interval '1 hour' from charging_sessions where id = %s"
        source = changed.period.place if column in {"latitude", "longitude", "odometer_km"} else changed.period
        assert (column, await fetch(statement, session.id)) == (column, [(getattr(source, column), True)])


async def test_home_and_vehicle_of_a_session_are_written(account, save, fetch, make_account):
    other = await make_account()
    await save(charging(5, 40), make_session(0, 5))
    assert await fetch("select vehicle_id, at_home from charging_sessions") == [(account.vehicle_id, True)]
    await save(charging(5, 40), make_session(0, 5, at_home=None), vehicle_id=other.vehicle_id)
    assert await fetch("select vehicle_id, at_home from charging_sessions") == [(other.vehicle_id, None)]


async def test_removed_sessions_are_deleted_and_no_others(save, fetch):
    sessions = [make_session(10 * number, 10 * number + 5, number) for number in (1, 2, 3)]
    await save(charging(5, 40), *sessions)
    await save(charging(10, 40), removed=[UUID(int=2)])
    assert await fetch("select id from charging_sessions order by id") == [(UUID(int=1),), (UUID(int=3),)]


async def test_home_is_the_users_own(connection, account, make_account, fetch):
    other = await make_account()
    assert await repository.find_home(connection, account.user_id) is None
    for user_id, latitude in ((account.user_id, 52), (other.user_id, 1)):
        await fetch("insert into home_places values (%s, %s, 5, 500) returning user_id", user_id, latitude)
    found = await repository.find_home(connection, account.user_id)
    assert found == HomeLocation(latitude=52, longitude=5, radius_m=500)


async def test_discharged_energy_is_an_hour_of_its_own_without_a_cost(connection, account, save, fetch):
    await fetch("insert into electricity_rates values (%s, %s, 0.5, 'EUR') returning user_id", account.user_id, at(-60))
    charged, discharged = make_session(0, 30, 1), make_session(30, 60, 2)
    discharged = replace(discharged, period=replace(discharged.period, kind="discharge"))
    await save(stopped(60, 40), charged, discharged)
    rows = await fetch("select kind, cost, cost_unknown, currency, soc_start from charging_sessions order by id")
    assert rows == [("charge", 2.5, None, "EUR", 40), ("discharge", None, None, None, 60)]
    [hour] = await repository.list_hours(connection, account.vehicle_id, at(0), at(60))
    assert hour == repository.EnergyHour(
        hour=at(0), kwh=5.0, home_kwh=5.0, discharged_kwh=5.0, cost=2.5, currency="EUR"
    )
    assert await repository.list_hours(connection, account.vehicle_id, at(1), at(60)) == []
    assert await repository.list_hours(connection, account.vehicle_id, at(-60), at(0)) == []
    await save(stopped(70, 40), removed=[charged.id])
    [hour] = await repository.list_hours(connection, account.vehicle_id, at(0), at(60))
    assert (hour.kwh, hour.home_kwh, hour.discharged_kwh, hour.cost) == (0, 0, 5, 0)


@pytest.mark.parametrize(
    ("ended_at", "cost"),
    [(-1, (None, "price")), (15, (None, "price")), (31, (2.5, None))],
    ids=["before the session", "during it", "after it"],
)
async def test_cost_is_unknown_where_a_rate_has_ended(account, save, fetch, *, ended_at: int, cost: tuple):
    insert = "insert into electricity_rates values (%s, %s, %s, %s) returning user_id"
    await fetch(insert, account.user_id, at(-60), 0.5, "EUR")
    await fetch(insert, account.user_id, at(ended_at), None, None)
    await save(stopped(60, 40), make_session(0, 30))
    assert await fetch("select cost, cost_unknown from charging_sessions") == [cost]
