"""The part of a charging history that can be amended, archived or merged with that of a duplicate."""

from uuid import UUID

import pytest

from relay.vehicles.charging import repository
from relay.vehicles.charging.counters import EnergyCounters
from relay.vehicles.charging.derivation import DerivationState
from relay.vehicles.charging.fold import process_samples
from relay.vehicles.charging.ledger import ChargingLedger
from relay.vehicles.charging.recording import archive_samples
from relay.vehicles.charging.rows import parse_ledger
from tests.relay.support.charging import COUNTERS, PLACE, age_sessions, at, charging, make_raw, make_session, stopped


async def test_history_of_a_vehicle_without_samples_is_empty(connection, account):
    history = await repository.get_history(connection, account.vehicle_id)
    assert history == repository.ChargingHistory(
        base=DerivationState(), samples={}, sessions=[], counters=EnergyCounters(), corrections=[]
    )


async def test_history_without_a_base_is_everything_of_the_vehicle_in_order(connection, account, save, make_account):
    other = await make_account()
    for minutes in (20, 5, 10):
        await save(charging(minutes, 40), make_session(minutes, minutes + 1, 100 - minutes))
    await save(charging(7, 40), make_session(7, 8, 93), vehicle_id=other.vehicle_id)
    history = await repository.get_history(connection, account.vehicle_id)
    assert list(history.samples.items()) == [(at(minutes), make_raw(charging(minutes, 40))) for minutes in (5, 10, 20)]
    assert [session.id.int for session in history.sessions] == [95, 90, 80]
    assert history.counters == COUNTERS


async def test_sessions_that_start_together_are_in_the_order_of_their_ids(connection, account, save):
    await save(charging(5, 40), *(make_session(0, 5, number) for number in (3, 1, 2)))
    history = await repository.get_history(connection, account.vehicle_id)
    assert [session.id.int for session in history.sessions] == [1, 2, 3]


@pytest.mark.parametrize(
    ("period", "sessions"),
    [
        pytest.param(None, [3, 4], id="from the base's sample, without a period"),
        pytest.param(make_session(5, 10).period, [2, 3, 4], id="from the start of the base's period"),
    ],
)
async def test_history_continues_a_base_with_later_samples_and_its_period(connection, account, save, period, sessions):
    for number, minutes in enumerate((0, 5, 10, 20), start=1):
        await save(charging(minutes, 40), make_session(minutes, minutes + 1, number))
    base = DerivationState(last=charging(10, 40), period=period)
    await repository.delete_archived_samples(connection, account.vehicle_id, base)
    history = await repository.get_history(connection, account.vehicle_id)
    assert (history.base, list(history.samples)) == (base, [at(20)])
    assert [session.id.int for session in history.sessions] == sessions


async def test_archiving_deletes_only_the_vehicles_samples_up_to_the_base(
    connection, account, save, fetch, make_account
):
    other = await make_account()
    for minutes in (0, 5, 10):
        await save(charging(minutes, 40))
        await save(charging(minutes, 40), vehicle_id=other.vehicle_id)
    await repository.delete_archived_samples(connection, account.vehicle_id, DerivationState(last=charging(5, 40)))
    statement = "select at from charging_samples where vehicle_id = %s order by at"
    assert await fetch(statement, account.vehicle_id) == [(at(10),)]
    assert await fetch(statement, other.vehicle_id) == [(at(0),), (at(5),), (at(10),)]
    assert (await repository.get_history(connection, other.vehicle_id)).base == DerivationState()


async def test_samples_from_before_a_time_are_archived(connection, account, save):
    samples = {minutes: charging(minutes, 40, 11) for minutes in (0, 5, 10)}
    for sample in samples.values():
        await save(sample)
    for before, remaining in ((0, [0, 5, 10]), (5, [5, 10]), (6, [10]), (99, [])):
        async with connection.transaction(force_rollback=True):
            await archive_samples(connection, account.vehicle_id, at(before))
            history = await repository.get_history(connection, account.vehicle_id)
            assert (before, list(history.samples)) == (before, [at(minutes) for minutes in remaining])
            archived = [sample for minutes, sample in samples.items() if minutes not in remaining]
            assert history.base == process_samples(DerivationState(), map(make_raw, archived)).state


MERGED_COUNTERS = {
    # case: the counters of the kept vehicle, of the duplicate, and of both merged
    "counts are added": ((1, 2, 3, 4), (10, 20, 30, 40), (11, 22, 11, 22)),
    "shown counters never decrease": ((1, 2, 30, 40), (2, 3, 3, 4), (3, 5, 30, 40)),
    "home unknown to both": ((1, 0, 1, None), (2, 0, 2, None), (3, 0, 3, None)),
    "home known to the duplicate": ((1, 0, 1, None), (2, 2, 2, 2), (3, 2, 3, 2)),
    "home known to the kept vehicle": ((1, 1, 1, 1), (2, 0, 2, None), (3, 1, 3, 1)),
}


async def test_counters_of_merged_vehicles_are_added_and_never_decrease(connection, account, save, fetch, make_account):
    other = await make_account()
    names = "counted_kwh", "counted_home_kwh", "lifetime_kwh", "home_kwh"
    for case, (kept, duplicate, merged) in MERGED_COUNTERS.items():
        async with connection.transaction(force_rollback=True):
            for vehicle_id, values in ((account.vehicle_id, kept), (other.vehicle_id, duplicate)):
                counters = EnergyCounters(**dict(zip(names, values, strict=True)))
                await save(charging(0, 40), counters=counters, vehicle_id=vehicle_id)
            await repository.merge_histories(connection, other.vehicle_id, account.vehicle_id)
            rows = await fetch(f"select vehicle_id, {', '.join(names)} from vehicle_energy")
            assert (case, rows) == (case, [(account.vehicle_id, *merged)])


async def test_history_of_a_duplicate_moves_to_the_kept_vehicle(connection, account, save, fetch, make_account):
    other, third = await make_account(), await make_account()
    await save(charging(0, 40, version=1), make_session(0, 5, 1))
    await save(charging(0, 90, version=2), make_session(10, 15, 2), vehicle_id=other.vehicle_id)
    await save(stopped(20, 95, place=PLACE, version=3), vehicle_id=other.vehicle_id)
    await save(charging(30, 50), make_session(30, 35, 3), vehicle_id=third.vehicle_id)
    await age_sessions(fetch)
    await repository.merge_histories(connection, other.vehicle_id, account.vehicle_id)
    history = await repository.get_history(connection, account.vehicle_id)
    assert list(history.samples.values()) == [
        make_raw(charging(0, 40, version=1)),
        make_raw(stopped(20, 95, place=PLACE, version=3)),
    ]
    assert [session.id.int for session in history.sessions] == [1, 2]
    changed = await fetch("select id from charging_sessions where changed_at > now() - interval '1 hour'")
    assert changed == [(UUID(int=2),)]
    assert (await repository.get_history(connection, other.vehicle_id)).samples == {}
    assert len((await repository.get_history(connection, third.vehicle_id)).samples) == 1


async def test_history_of_a_duplicate_moves_to_a_vehicle_without_one(connection, account, save, fetch, make_account):
    other = await make_account()
    await save(charging(0, 40), vehicle_id=other.vehicle_id)
    await repository.merge_histories(connection, other.vehicle_id, account.vehicle_id)
    [(row,)] = await fetch("select to_jsonb(e) from vehicle_energy e where vehicle_id = %s", account.vehicle_id)
    assert parse_ledger(row) == ChargingLedger(state=DerivationState(last=charging(0, 40)), counters=COUNTERS)
