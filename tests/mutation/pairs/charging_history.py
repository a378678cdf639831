"""How the charging history is stored: sessions, counters, home and rates."""

from scripts.lib.mutation.tables import Pair, PairTable

CHARGING = (
    "tests/relay/vehicles/charging/test_repository.py",
    "tests/relay/vehicles/charging/test_repository_history.py",
    "tests/relay/usecases/events/test_record_charging.py",
    "tests/relay/usecases/events/test_amend_charging.py",
    "tests/relay/usecases/charging",
    "tests/relay/usecases/classic/test_charging_sessions.py",
)

PAIRS = (
    PairTable(
        file="relay/vehicles/charging/save_statements.py",
        tests=(
            "tests/relay/vehicles/charging/test_repository.py",
            "tests/relay/usecases/events/test_energy_hours.py",
            *CHARGING,
        ),
        pairs=(
            Pair(
                "case when s.open then s.amended_at else now() end",
                "now()",
                "an open session that grows counts as amended",
            ),
            Pair(
                "case when s.open then s.amended_at else now() end",
                "s.amended_at",
                "an ended session that changes isn't amended",
            ),
            Pair(
                "    where ({_OLD_VALUES}) is distinct from ({_NEW_VALUES})\n",
                "",
                "an unchanged session counts as changed",
            ),
            Pair(
                "coalesce(%(home_kwh)s, (select 0 from home_places where user_id = %(user_id)s))",
                "%(home_kwh)s::double precision",
                "the home counter of a new vehicle doesn't start at zero",
            ),
            Pair(
                "(select 0 from home_places where user_id = %(user_id)s)",
                "(select 0)",
                "a vehicle of a user without a home gets a home counter",
            ),
            Pair(
                "sum(overlap.seconds * rate.cost_per_kwh) / sum(overlap.seconds)",
                "min(rate.cost_per_kwh)",
                "a price that changes within a quarter hour counts for all of it",
            ),
            Pair(
                "case when bool_or(per_kwh is null) then 'price'",
                "case when bool_and(per_kwh is null) then 'price'",
                "a cost without the price of some energy is shown",
            ),
            Pair(
                "when count(distinct currency) > 1 or max(currencies) > 1 then 'currency' end as unknown",
                "end as unknown",
                "costs in two currencies are added",
            ),
            Pair(
                "where s.vehicle_id = %(vehicle_id)s and s.id not in (select id from changed)",
                "where false and s.vehicle_id = %(vehicle_id)s and s.id not in (select id from changed)",
                "an hour loses the energy of its other session",
            ),
            Pair(
                "    select hour from session_hour\n    union\n",
                "    select hour from session_hour where false\n    union\n",
                "new energy isn't in the hours",
            ),
            Pair(
                "(where kind = 'charge' and at_home)",
                "(where kind = 'charge')",
                "energy charged away counts as charged at home",
            ),
        ),
    ),
    PairTable(
        file="relay/vehicles/charging/repository.py",
        tests=(
            "tests/relay/vehicles/charging/test_repository_history.py",
            "tests/relay/vehicles/charging/test_repository.py",
            *CHARGING,
        ),
        pairs=(
            Pair(
                "where vehicle_id = %s and at > %s order by at",
                "where vehicle_id = %s and at >= %s order by at",
                "the last archived sample counts twice",
                "archiving deletes the sample",
            ),
            Pair(
                "where vehicle_id = %s and at > %s order by at",
                "where vehicle_id = %s and at > %s order by at desc",
                "samples are read in the wrong order",
                "the samples are sorted by their time afterwards",
            ),
            Pair(
                "where vehicle_id = %s and started_at >= %s",
                "where vehicle_id = %s and started_at > %s",
                "the session that began at the base is recorded twice",
            ),
            Pair(
                "= (e.counted_kwh + excluded.counted_kwh,",
                "= (e.counted_kwh,",
                "the energy of a vehicle that was linked twice is lost",
            ),
            Pair(
                "greatest(e.lifetime_kwh, e.counted_kwh + excluded.counted_kwh)",
                "e.counted_kwh + excluded.counted_kwh",
                "the lifetime counter falls",
            ),
            Pair("then greatest(e.home_kwh,", "then least(e.home_kwh,", "the home counter falls"),
            Pair(
                "(delete from charging_samples where vehicle_id = %s and at <= %s)",
                "(delete from charging_samples where vehicle_id = %s and at < %s)",
                "the last archived sample stays",
            ),
            Pair(
                "started_at >= %s order by started_at, id",
                "started_at >= %s order by id",
                "sessions come in the order of their ids",
            ),
            Pair(
                "started_at >= %s order by started_at, id",
                "started_at >= %s order by started_at, id desc",
                "sessions that began together come in the wrong order",
            ),
            Pair(
                "e.counted_home_kwh + excluded.counted_home_kwh,\n",
                "e.counted_home_kwh,\n",
                "energy charged at home is lost when two vehicles are merged",
            ),
            Pair(
                "then greatest(e.home_kwh, e.counted_home_kwh + excluded.counted_home_kwh) end",
                "then e.counted_home_kwh + excluded.counted_home_kwh end",
                "the home counter falls when two vehicles are merged",
            ),
            Pair(
                "case when coalesce(e.home_kwh, excluded.home_kwh) is not null",
                "case when e.home_kwh is not null",
                "the home counter of a merged vehicle is lost",
            ),
            Pair(
                "set vehicle_id = %(kept)s, changed_at = now()",
                "set vehicle_id = %(kept)s",
                "sessions of a merged vehicle don't count as changed",
            ),
            Pair(
                "base.last.at if base.last else EARLIEST_TIME",
                'base.last.at if base.last else datetime.fromisoformat("2026-11-23T12:07:00+00:00")',
                "samples from before a certain date are ignored",
            ),
        ),
    ),
    PairTable(
        file="relay/vehicles/charging/recording.py",
        tests=(
            "tests/relay/vehicles/charging/test_repository_history.py",
            "tests/relay/usecases/events/test_amend_charging.py",
            "tests/relay/usecases/events/test_record_charging.py",
        ),
        pairs=(
            Pair(
                "last is None or sample.at > last.at",
                "last is None or sample.at >= last.at",
                "the same sample is recorded twice",
            ),
            Pair(
                "last.version < sample.version\n        and",
                "True\n        and",
                "a newer event of the same moment is ignored",
            ),
            Pair(
                "last.version < sample.version\n        and vehicle",
                "False and vehicle",
                "an older event of the same moment undoes a newer one",
            ),
            Pair(
                "sample.at > history.base.last.at",
                "sample.at >= history.base.last.at",
                "the last archived sample counts again",
            ),
            Pair("sample.at < before", "sample.at <= before", "a sample that can still be amended is archived"),
            Pair(
                "merge_raw_samples(samples[sample.at], sample) if sample.at in samples else sample",
                "sample",
                "a second event of the same moment deletes what the first said",
            ),
            Pair(
                "sample = samples[max(samples)]",
                "sample = samples[min(samples)]",
                "a merged history is saved with its oldest sample",
            ),
            Pair(
                "[samples[at] for at in sorted(samples)]",
                "list(samples.values())",
                "samples are counted in the order of arrival",
            ),
            Pair(
                "match.needs_home for match",
                "match.has_moved for match",
                "a new session at an unknown place has no home",
            ),
            Pair(
                "recorded = [ledger.session] if ledger.session else []",
                "recorded = []",
                "the recorded session is recorded again as another one",
            ),
            Pair(
                "amendment.ledger.counters.visible_kwh != start.counters.visible_kwh",
                "False",
                "counters that changed aren't sent",
            ),
            Pair(
                "amendment.ledger.counters.visible_kwh != start.counters.visible_kwh",
                "True",
                "unchanged counters are sent again",
            ),
            Pair(
                "result = await _record_late_sample(connection, vehicle, sample)",
                "result = None",
                "the histories of a merged vehicle aren't counted together",
            ),
            Pair(
                "await repository.merge_histories(connection, merged_vehicle_id, vehicle.id)",
                "pass",
                "the history of a merged vehicle is lost",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/charging/set_electricity_rate.py",
        tests=(
            "tests/relay/usecases/charging/test_charging_limits.py",
            "tests/relay/usecases/charging/test_set_electricity_rate.py",
            "tests/relay/usecases/charging",
        ),
        pairs=(
            Pair(
                "order by valid_from desc limit 1",
                "order by valid_from limit 1",
                "a new rate is compared with the oldest",
            ),
            Pair(
                "where cost_per_kwh = %s and currency = %s)",
                "where cost_per_kwh = %s or currency = %s)",
                "a new price in the same currency is ignored",
            ),
            Pair("and currency = %s)", "and (currency = %s or true))", "the same price in another currency is ignored"),
            Pair(
                "where cost_per_kwh = %s and",
                "where (cost_per_kwh = %s or true) and",
                "another price in the same currency is ignored",
            ),
            Pair(" le=1_000_000", " lt=1_000_000", "the highest price is refused"),
            Pair("Field(ge=-1_000_000,", "Field(gt=-1_000_000,", "the lowest price is refused"),
            Pair("Field(ge=-1_000_000,", "Field(ge=0,", "a negative price is refused"),
            Pair("where cost_per_kwh is not null)", "where true)", "a rate that has ended can be ended again"),
            Pair('or row["cost_per_kwh"] is None else row', "else row", "a rate that has ended is returned"),
        ),
    ),
    PairTable(
        file="relay/usecases/charging/set_home.py",
        tests=(
            "tests/relay/usecases/charging/test_charging_limits.py",
            "tests/relay/usecases/charging/test_set_home.py",
            "tests/relay/usecases/charging",
        ),
        pairs=(
            Pair("where home_kwh is null and vehicle_id in", "where vehicle_id in", "a moved home resets the counter"),
            Pair(
                "excluded.radius_m, now())",
                "excluded.radius_m, home_places.updated_at)",
                "a moved home keeps its old time of change",
            ),
            Pair("ge=50, le=10_000", "gt=50, le=10_000", "the smallest home is refused"),
            Pair("ge=50, le=10_000", "ge=50, lt=10_000", "the largest home is refused"),
            Pair("ge=50, le=10_000", "ge=49, le=10_001", "homes that are too small or too large are accepted"),
        ),
    ),
    PairTable(
        file="relay/usecases/charging/list_energy_hours.py",
        tests=("tests/relay/usecases/charging/test_list_energy_hours.py",),
        pairs=(
            Pair("h.revision > %(revision)s", "h.revision >= %(revision)s", "an unchanged hour is returned again"),
            Pair("and hour < %(since)s", "and hour <= %(since)s", "the first hour is part of the sums before it"),
            Pair("cursor.epoch == current.epoch and ", "", "a cursor of another database hides hours"),
            Pair(" and cursor.seq <= current.seq", "", "a cursor that is ahead of a restored database hides hours"),
        ),
    ),
    PairTable(
        file="relay/vehicles/charging/recording.py",
        tests=("tests/relay/usecases/charging/test_list_energy_hours.py",),
        pairs=(
            Pair(
                "has_counter_update or has_session_update or bool",
                "has_counter_update or bool",
                "a session that a late report amends stays as it was shown",
            ),
        ),
    ),
)
