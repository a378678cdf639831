"""How charging sessions are derived and read."""

from scripts.lib.mutation.tables import Pair, PairTable

PURE = tuple(
    f"tests/relay/vehicles/charging/test_{name}.py"
    for name in (
        "periods",
        "derivation_edges",
        "energy",
        "home",
        "evidence",
        "power_check",
        "discharging",
        "counters",
    )
)

PAIRS = (
    PairTable(
        file="relay/vehicles/charging/periods.py",
        tests=(*PURE,),
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
                "nine unmeasured minutes count as a session",
            ),
            Pair(
                "MIN_UNMEASURED_DURATION = timedelta(minutes=10)",
                "MIN_UNMEASURED_DURATION = timedelta(minutes=11)",
                "ten unmeasured minutes don't count as a session",
            ),
            Pair(
                "MAX_UNPLUGGED = timedelta(minutes=10)",
                "MAX_UNPLUGGED = timedelta(minutes=9)",
                "an unplugged reading of 10 minutes splits a session",
            ),
            Pair(
                "MAX_UNPLUGGED = timedelta(minutes=10)",
                "MAX_UNPLUGGED = timedelta(minutes=11)",
                "plugging in again after 11 minutes continues a session",
            ),
            Pair(
                "MAX_UNPLUGGED_UNSEEN = timedelta(minutes=3)",
                "MAX_UNPLUGGED_UNSEEN = timedelta(minutes=2)",
                "an unplugged reading of 3 minutes splits a session without a place",
            ),
            Pair(
                "MAX_UNPLUGGED_UNSEEN = timedelta(minutes=3)",
                "MAX_UNPLUGGED_UNSEEN = timedelta(minutes=4)",
                "a vehicle without a place that was driven continues its session",
            ),
        ),
    ),
    PairTable(
        file="relay/vehicles/charging/derivation.py",
        tests=(*PURE,),
        pairs=(
            Pair(
                "MAX_GAP = timedelta(hours=8)",
                "MAX_GAP = timedelta(hours=9)",
                "charging counts through a gap of more than 8 hours",
            ),
            Pair("MAX_GAP = timedelta(hours=8)", "MAX_GAP = timedelta(hours=7)", "a gap of 8 hours ends a session"),
            Pair("MIN_FALL = 2.0", "MIN_FALL = 1.0", "a fall of one point ends charging"),
            Pair("MIN_FALL = 2.0", "MIN_FALL = 3.0", "a fall of 2 points counts as charging"),
        ),
    ),
    PairTable(
        file="relay/vehicles/charging/evidence.py",
        tests=(*PURE,),
        pairs=(
            Pair("MIN_RISE_PLUGGED_IN = 2.0", "MIN_RISE_PLUGGED_IN = 1.0", "a rise of one point counts as charging"),
            Pair(
                "MIN_RISE_PLUGGED_IN = 2.0",
                "MIN_RISE_PLUGGED_IN = 3.0",
                "a rise of two points doesn't count as charging",
            ),
            Pair(
                "MIN_RISE_UNPLUGGED = 5.0", "MIN_RISE_UNPLUGGED = 4.0", "a small rise without a plug counts as charging"
            ),
            Pair(
                "MIN_RISE_UNPLUGGED = 5.0",
                "MIN_RISE_UNPLUGGED = 6.0",
                "a rise of 5 points without a plug doesn't count",
            ),
            Pair("MAX_ENGINE_KW = 15.0", "MAX_ENGINE_KW = 14.0", "an engine that charges with 15 kW counts as a plug"),
            Pair("MAX_ENGINE_KW = 15.0", "MAX_ENGINE_KW = 16.0", "more than an engine charges is taken for one"),
            Pair("MIN_FULL_LEVEL = 95.0", "MIN_FULL_LEVEL = 94.0", "an engine's charge counts as one at a plug"),
            Pair("MIN_FULL_LEVEL = 95.0", "MIN_FULL_LEVEL = 96.0", "a hybrid that is full wasn't charged at a plug"),
            Pair("MIN_RISE_MOVED = 10.0", "MIN_RISE_MOVED = 9.0", "regeneration counts as a fast charge"),
            Pair("MIN_RISE_MOVED = 10.0", "MIN_RISE_MOVED = 11.0", "a short fast charge doesn't count"),
            Pair(
                "MAX_SILENCE = timedelta(hours=48)",
                "MAX_SILENCE = timedelta(hours=47)",
                "a silence of 48 hours hides a charge",
            ),
            Pair(
                "MAX_SILENCE = timedelta(hours=48)",
                "MAX_SILENCE = timedelta(hours=49)",
                "a silence of 49 hours proves a charge",
            ),
            Pair("MIN_MOVE_METRES = 500.0", "MIN_MOVE_METRES = 450.0", "scattered positions count as driving"),
            Pair(
                "MIN_MOVE_METRES = 500.0", "MIN_MOVE_METRES = 550.0", "half a kilometre between positions isn't driving"
            ),
            Pair("CAPACITY_KWH = 30.0", "CAPACITY_KWH = 29.0", "the largest hybrid gets a session from its engine"),
            Pair("CAPACITY_KWH = 30.0", "CAPACITY_KWH = 31.0", "the fast charge of a small car is lost"),
        ),
    ),
    PairTable(
        file="relay/vehicles/charging/counters.py",
        tests=("tests/relay/vehicles/charging/test_counters.py",),
        pairs=(
            Pair(
                "MIN_SPACING = timedelta(minutes=1)", "MIN_SPACING = timedelta(minutes=2)", "the counters lag too far"
            ),
            Pair("MIN_SPACING = timedelta(minutes=1)", "MIN_SPACING = timedelta(0)", "every count is remembered"),
        ),
    ),
    PairTable(
        file="relay/vehicles/charging/energy.py",
        tests=(*PURE,),
        pairs=(
            Pair(
                "MAX_POWER_HOLD = timedelta(minutes=30)",
                "MAX_POWER_HOLD = timedelta(minutes=29)",
                "a power isn't held for 30 minutes",
            ),
            Pair(
                "MAX_POWER_HOLD = timedelta(minutes=30)",
                "MAX_POWER_HOLD = timedelta(minutes=31)",
                "a power is held for more than 30 minutes",
            ),
            Pair("MAX_POWER_EXCESS = 1.15", "MAX_POWER_EXCESS = 1.14", "a true power is doubted"),
            Pair("MAX_POWER_EXCESS = 1.15", "MAX_POWER_EXCESS = 1.16", "more than the battery took is counted"),
            Pair("UNKNOWN_STEP = 5.0", "UNKNOWN_STEP = 1.0", "a new car with a coarse level loses energy"),
        ),
    ),
    PairTable(
        file="relay/vehicles/charging/session_records.py",
        tests=(
            "tests/relay/vehicles/charging/test_session_records.py",
            "tests/relay/usecases/charging",
        ),
        pairs=(
            Pair(
                "s.open and s.ended_at > now() - interval '8 hours'",
                "s.open",
                "the session of a vehicle that stopped reporting never ends",
            ),
            Pair("interval '8 hours'", "interval '1 hour'", "a session without a report for two hours has ended"),
            Pair(
                "interval '8 hours'",
                "interval '9 hours'",
                "a session without a report for more than 8 hours is still under way",
            ),
            Pair(
                "s.ended_at > now()",
                "s.ended_at >= now()",
                "a session whose last report is exactly 8 hours old is under way",
            ),
        ),
    ),
    PairTable(
        file="relay/vehicles/charging/owner_corrections.py",
        tests=(
            "tests/relay/vehicles/charging/test_owner_corrections.py",
            "tests/relay/vehicles/charging/test_corrections_survive.py",
            "tests/relay/pages/test_charging_sessions.py",
        ),
        pairs=(
            Pair(
                "EDGE_TOLERANCE = timedelta(minutes=10)",
                "EDGE_TOLERANCE = timedelta(minutes=9)",
                "a session whose end moved by 10 minutes is corrected in part only",
            ),
            Pair(
                "EDGE_TOLERANCE = timedelta(minutes=10)",
                "EDGE_TOLERANCE = timedelta(minutes=60)",
                "an hour of charging after a deletion is hidden",
            ),
            Pair("MAX_ENERGY_KWH = 1000.0", "MAX_ENERGY_KWH = 999.0", "the highest energy is refused"),
            Pair("MAX_ENERGY_KWH = 1000.0", "MAX_ENERGY_KWH = 1001.0", "an impossible energy is accepted"),
        ),
    ),
    PairTable(
        file="relay/vehicles/charging/ledger.py",
        tests=("tests/relay/usecases/charging/test_correct_session.py",),
        pairs=(
            Pair(
                "if newest is not None and newest.id == after.id:",
                "if newest is None:",
                "the next sample forgets the correction of the newest session",
            ),
        ),
    ),
    PairTable(
        file="relay/vehicles/charging/correction_repository.py",
        tests=("tests/relay/usecases/charging/test_correct_session.py",),
        pairs=(
            Pair(
                "with replaced as (delete from session_corrections where {_IN_RANGE})\n",
                "",
                "an undone correction applies again with the next late sample",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/charging/correct_session.py",
        tests=("tests/relay/usecases/charging/test_correct_session.py",),
        pairs=(
            Pair(
                "and v.user_id = %s and v.link_state <> 'over_limit'",
                "and v.user_id = %s",
                "a session of a vehicle over the limit is corrected",
            ),
            Pair(
                "and v.user_id = %s and",
                "and v.user_id <> %s and",
                "only sessions of other users are corrected",
            ),
            Pair(
                """        if energy_kwh is not None:
            require_ended(row)
""",
                "",
                "the energy of a session under way is corrected",
            ),
            Pair(
                "runtime.rate_limiter.check(call.caller.rate_limit_key)",
                "pass",
                "corrections have no limit per minute",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/charging/list_sessions.py",
        tests=(
            "tests/relay/usecases/charging/test_charging_limits.py",
            "tests/relay/every_route/test_over_limit_vehicle.py",
            "tests/relay/usecases/charging/test_session_lists.py",
            "tests/relay/usecases/charging",
        ),
        pairs=(
            Pair(
                "where v.user_id = %(user_id)s and v.link_state <> 'over_limit'",
                "where v.user_id = %(user_id)s",
                "sessions of a vehicle over the limit are listed",
            ),
            Pair("(s.started_at, s.id) < (", "(s.started_at, s.id) <= (", "a session is on two pages"),
            Pair(
                "(s.started_at, s.id) < (%(before_at)s, %(before_id)s)",
                "s.started_at < %(before_at)s",
                "of sessions that began together, one is on no page",
            ),
            Pair("MAX_SESSIONS = 200", "MAX_SESSIONS = 201", "a page has 201 sessions instead of 200"),
            Pair(
                "s.started_at desc, s.id desc",
                "s.started_at desc, s.id",
                "of sessions that began together, the wrong one comes first",
            ),
            Pair(
                "limit: Limit = 50, before: Before = None\n",
                "limit: Limit = 51, before: Before = None\n",
                "a page has 51 sessions instead of 50",
            ),
            Pair(
                "order by s.started_at desc, s.id desc", "order by s.started_at, s.id", "the oldest sessions come first"
            ),
            Pair(
                "where v.user_id = %(user_id)s and",
                "where %(user_id)s::uuid is not null and",
                "sessions of all accounts are listed",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/classic/charging_sessions.py",
        tests=(
            "tests/relay/every_route/test_over_limit_vehicle.py",
            "tests/relay/usecases/charging/test_session_lists.py",
            "tests/relay/usecases/classic/test_charging_sessions.py",
            "tests/relay/usecases/charging/test_classic_sessions.py",
            "tests/relay/usecases/charging",
        ),
        pairs=(
            Pair(
                " and not {IS_UNDER_WAY}",
                "",
                "sessions that are under way are listed",
            ),
            Pair(
                " and v.link_state <> 'over_limit' and not {",
                " and not {",
                "sessions of a vehicle over the limit are listed",
            ),
            Pair("  and s.kind = 'charge'\n", "", "discharged energy is listed as charged"),
            Pair("s.started_at) > %(since)s end", "s.started_at) >= %(since)s end", "a session is on two pages"),
            Pair(
                "%(since)s::timestamptz - %(overlap)s::interval",
                "%(since)s::timestamptz + 0 * %(overlap)s::interval",
                "a session whose change was committed late is never synced",
            ),
            Pair(
                "fetch first %(limit)s rows with ties",
                "fetch first %(limit)s rows only",
                "of sessions that began together, one is on no page",
            ),
            Pair(
                "case when open then amended_at else now() end",
                "amended_at",
                "an odometer isn't stored for an ended session",
            ),
            Pair(
                "order by started_at desc, id limit 1",
                "order by started_at, id limit 1",
                "the odometer is stored for the oldest session",
            ),
            Pair(
                "SYNC_OVERLAP = timedelta(minutes=1)",
                "SYNC_OVERLAP = timedelta(0)",
                "a session whose change is committed late is never synced",
            ),
            Pair(
                "SYNC_OVERLAP = timedelta(minutes=1)",
                "SYNC_OVERLAP = timedelta(minutes=2)",
                "sessions are synced again for too long",
            ),
            Pair(
                "order by began_at fetch",
                "order by began_at desc fetch",
                "a page begins with the newest sessions, and the older ones are lost",
            ),
            Pair(
                "where v.user_id = %(user_id)s and v.link",
                "where %(user_id)s::uuid is not null and v.link",
                "sessions of all accounts are listed",
            ),
        ),
    ),
)
