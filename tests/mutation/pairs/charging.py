"""The charging history: sessions, counters, home and rates."""

from scripts.lib.mutation.tables import Pair, PairTable

CHARGING = (
    "tests/relay/usecases/events/test_record_charging.py",
    "tests/relay/usecases/events/test_amend_charging.py",
    "tests/relay/usecases/charging",
    "tests/relay/usecases/classic/test_charging_sessions.py",
)
PURE = ("tests/relay/vehicles/charging",)

PAIRS = (
    PairTable(
        file="relay/vehicles/charging/periods.py",
        tests=PURE,
        pairs=(
            Pair(
                "MAX_PAUSE = timedelta(minutes=30)",
                "MAX_PAUSE = timedelta(minutes=29)",
                "a pause of 30 minutes ends a session",
            ),
            Pair(
                "MAX_PAUSE = timedelta(minutes=30)",
                "MAX_PAUSE = timedelta(minutes=31)",
                "a pause of 31 minutes doesn't end a session",
            ),
            Pair(
                "MIN_UNMEASURED_DURATION = timedelta(minutes=10)",
                "MIN_UNMEASURED_DURATION = timedelta(minutes=9)",
                "a short session that nothing measures",
            ),
            Pair(
                "MIN_UNMEASURED_DURATION = timedelta(minutes=10)",
                "MIN_UNMEASURED_DURATION = timedelta(minutes=11)",
                "a session of ten minutes that nothing measures",
            ),
            Pair("MIN_RISE_PLUGGED_IN = 2.0", "MIN_RISE_PLUGGED_IN = 1.0", "a rise that proves nothing"),
            Pair("MIN_RISE_PLUGGED_IN = 2.0", "MIN_RISE_PLUGGED_IN = 3.0", "a rise that proves charging"),
        ),
    ),
    PairTable(
        file="relay/vehicles/charging/derivation.py",
        tests=PURE,
        pairs=(
            Pair("MAX_GAP = timedelta(hours=8)", "MAX_GAP = timedelta(hours=9)", "a gap of more than 8 hours"),
            Pair("MAX_GAP = timedelta(hours=8)", "MAX_GAP = timedelta(hours=7)", "a gap of 8 hours"),
            Pair("MIN_RISE_UNPLUGGED = 5.0", "MIN_RISE_UNPLUGGED = 4.0", "a rise without a plug that proves nothing"),
            Pair("MIN_RISE_UNPLUGGED = 5.0", "MIN_RISE_UNPLUGGED = 6.0", "a rise without a plug that proves charging"),
            Pair("MIN_FALL = 2.0", "MIN_FALL = 1.0", "a fall that proves nothing"),
            Pair("MIN_FALL = 2.0", "MIN_FALL = 3.0", "a fall that proves that it did not charge"),
        ),
    ),
    PairTable(
        file="relay/vehicles/charging/energy.py",
        tests=PURE,
        pairs=(
            Pair(
                "MAX_POWER_HOLD = timedelta(minutes=30)",
                "MAX_POWER_HOLD = timedelta(minutes=29)",
                "a power that is held for 30 minutes",
            ),
            Pair(
                "MAX_POWER_HOLD = timedelta(minutes=30)",
                "MAX_POWER_HOLD = timedelta(minutes=31)",
                "a power that is held for too long",
            ),
        ),
    ),
    PairTable(
        file="relay/vehicles/charging/samples.py",
        tests=PURE,
        pairs=(
            Pair("MAX_POWER_KW = 2000.0", "MAX_POWER_KW = 1999.0", "the highest power"),
            Pair("MAX_POWER_KW = 2000.0", "MAX_POWER_KW = 3000.0", "an impossible power"),
            Pair("MAX_CAPACITY_KWH = 2000.0", "MAX_CAPACITY_KWH = 1999.0", "the largest battery"),
            Pair("MAX_CAPACITY_KWH = 2000.0", "MAX_CAPACITY_KWH = 3000.0", "an impossible battery"),
        ),
    ),
    PairTable(
        file="relay/vehicles/charging/home_and_rates.py",
        tests=PURE,
        pairs=(Pair("EARTH_RADIUS_M = 6_371_000.0", "EARTH_RADIUS_M = 6_771_000.0", "the radius of the earth"),),
    ),
    PairTable(
        file="relay/vehicles/charging/session_records.py",
        tests=CHARGING[2:],
        pairs=(
            Pair(
                "s.open and s.ended_at > now() - interval '8 hours'",
                "s.open",
                "the session of a vehicle that stopped reporting",
            ),
            Pair("interval '8 hours'", "interval '1 hour'", "a session with a silence of two hours"),
        ),
    ),
    PairTable(
        file="relay/vehicles/charging/repository.py",
        tests=CHARGING,
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
                "%(home_kwh)s",
                "the home counter of a new vehicle starts at zero",
            ),
            Pair(
                "where vehicle_id = %s and at > %s order by at",
                "where vehicle_id = %s and at >= %s order by at",
                "the last archived sample counts twice",
                "archiving deletes the sample",
            ),
            Pair(
                "where vehicle_id = %s and at > %s order by at",
                "where vehicle_id = %s and at > %s order by at desc",
                "the order of samples",
                "the samples are sorted by their time afterwards",
            ),
            Pair(
                "where vehicle_id = %s and started_at >= %s",
                "where vehicle_id = %s and started_at > %s",
                "the session that began at the base",
            ),
            Pair(
                "= (e.counted_kwh + excluded.counted_kwh,",
                "= (e.counted_kwh,",
                "the energy of a vehicle that was linked twice",
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
        ),
    ),
    PairTable(
        file="relay/usecases/charging/list_sessions.py",
        tests=("tests/relay/usecases/charging",),
        pairs=(
            Pair(
                "where v.user_id = %(user_id)s and v.link_state <> 'over_limit'",
                "where v.user_id = %(user_id)s",
                "sessions of a vehicle over the limit",
            ),
            Pair("(s.started_at, s.id) < (", "(s.started_at, s.id) <= (", "a session on two pages"),
            Pair(
                "(s.started_at, s.id) < (%(before_at)s, %(before_id)s)",
                "s.started_at < %(before_at)s",
                "sessions that began together",
            ),
            Pair("MAX_SESSIONS = 200", "MAX_SESSIONS = 201", "the size of a page"),
        ),
    ),
    PairTable(
        file="relay/usecases/charging/set_electricity_rate.py",
        tests=("tests/relay/usecases/charging/test_set_electricity_rate.py", "tests/relay/usecases/charging"),
        pairs=(
            Pair("order by valid_from desc limit 1", "order by valid_from limit 1", "the oldest rate"),
            Pair(
                "where cost_per_kwh = %s and currency = %s)",
                "where cost_per_kwh = %s or currency = %s)",
                "a new price in the same currency",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/charging/set_home.py",
        tests=("tests/relay/usecases/charging/test_set_home.py", "tests/relay/usecases/charging"),
        pairs=(
            Pair("where home_kwh is null and vehicle_id in", "where vehicle_id in", "a moved home resets the counter"),
        ),
    ),
    PairTable(
        file="relay/usecases/classic/charging_sessions.py",
        tests=(
            "tests/relay/usecases/classic/test_charging_sessions.py",
            "tests/relay/usecases/charging/test_classic_sessions.py",
            "tests/relay/usecases/charging",
        ),
        pairs=(
            Pair(
                "v.link_state <> 'over_limit' and not {IS_UNDER_WAY}",
                "v.link_state <> 'over_limit'",
                "sessions that are under way",
            ),
            Pair(" and v.link_state <> 'over_limit' and not", " and not", "sessions of a vehicle over the limit"),
            Pair("s.started_at) > %(since)s end", "s.started_at) >= %(since)s end", "a session on two pages"),
            Pair(
                "%(since)s::timestamptz - %(overlap)s::interval",
                "%(since)s::timestamptz + 0 * %(overlap)s::interval",
                "a session whose change was committed late",
            ),
            Pair(
                "fetch first %(limit)s rows with ties",
                "fetch first %(limit)s rows only",
                "sessions that began together",
            ),
            Pair("case when open then amended_at else now() end", "amended_at", "an odometer for an ended session"),
            Pair(
                "order by started_at desc, id limit 1",
                "order by started_at, id limit 1",
                "the odometer of the oldest session",
            ),
        ),
    ),
)
