"""Vehicles: ids, links, priority, corrections."""

from scripts.lib.mutation.tables import Pair, PairTable

VEHICLES = ("tests/relay/vehicles", "tests/relay/usecases/vehicles", "tests/relay/usecases/events")
CORRECTIONS = ("tests/relay/vehicles/test_corrections.py",)

PAIRS = (
    PairTable(
        file="relay/vehicles/lookup.py",
        tests=(
            "tests/relay/vehicles/test_lookup.py",
            "tests/relay/usecases/vehicles",
            "tests/relay/usecases/charging",
            "tests/relay/usecases/commands",
        ),
        pairs=(
            Pair(
                "v.gone_at is null and v.link_state <> 'over_limit'\"",
                "v.link_state <> 'over_limit'\"",
                "an unlinked vehicle is served",
            ),
            Pair(
                "v.gone_at is null and v.link_state <> 'over_limit'\"",
                'v.gone_at is null"',
                "a vehicle over the limit is served",
            ),
            Pair(
                "where l.vehicle_id = v.id and l.ended_at is null order",
                "where l.vehicle_id = v.id order",
                "an Enode id that ended",
            ),
            Pair("order by l.linked_at desc limit 1", "order by l.linked_at limit 1", "the oldest Enode id"),
            Pair(
                "v.user_id = %(user_id)s and v.link_state <> 'over_limit' and {MATCHES_ID}",
                "v.user_id = %(user_id)s and {MATCHES_ID}",
                "the history of a vehicle over the limit",
            ),
            Pair(
                "v.user_id = %(user_id)s and v.gone_at is null and {MATCHES_ID}",
                "v.user_id = %(user_id)s and {MATCHES_ID}",
                "an unlinked vehicle is found as linked",
            ),
            Pair(
                "v.user_id = %(user_id)s and v.gone_at is null and {MATCHES_ID}",
                "%(user_id)s::uuid is not null and v.gone_at is null and {MATCHES_ID}",
                "another user's vehicle",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/calls/get_vehicle.py",
        tests=("tests/relay/usecases/vehicles", "tests/relay/usecases/commands", "tests/relay/every_route"),
        pairs=(
            Pair(
                "where v.user_id = %(user_id)s and {IS_SERVED}",
                "where %(user_id)s::uuid is not null and {IS_SERVED}",
                "another user's vehicle",
            ),
            Pair(" and {IS_SERVED} and", " and", "a vehicle over the limit"),
        ),
    ),
    PairTable(
        file="relay/vehicles/repository.py",
        tests=VEHICLES,
        pairs=(
            Pair(
                "v.vendor = %s and v.gone_at is null order", "v.vendor = %s order", "credentials of an unlinked vehicle"
            ),
            Pair(
                "where v.user_id = %s and v.gone_at is null\norder",
                "where v.user_id = %s\norder",
                "unlinked vehicles take room",
            ),
            Pair("order by v.chosen_at is null, v.link_state", "order by v.link_state", "the user's choice"),
            Pair(
                "v.link_state = 'over_limit', v.created_at, v.id",
                "v.created_at, v.id",
                "vehicles that are served already",
            ),
            Pair(
                "v.link_state = 'over_limit', v.created_at, v.id",
                "v.link_state = 'over_limit', v.created_at desc, v.id",
                "the newest vehicle comes first",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/vehicles/list_vehicles.py",
        tests=("tests/relay/pages/test_home.py", "tests/relay/pages", "tests/relay/usecases/vehicles"),
        pairs=(
            Pair(
                "where user_id = %s and gone_at is null order",
                "where user_id = %s order",
                "unlinked vehicles on the page",
            ),
            Pair(
                "order by link_state = 'over_limit', created_at, id",
                "order by created_at, id",
                "vehicles over the limit come last",
            ),
        ),
    ),
    PairTable(
        file="relay/vehicles/corrections.py",
        tests=CORRECTIONS,
        pairs=(
            Pair(
                "MAX_PLUGGED_IN_HOLD = timedelta(hours=24)",
                "MAX_PLUGGED_IN_HOLD = timedelta(hours=23)",
                "plugged in for 24 hours",
            ),
            Pair(
                "MAX_PLUGGED_IN_HOLD = timedelta(hours=24)",
                "MAX_PLUGGED_IN_HOLD = timedelta(hours=25)",
                "plugged in for too long",
            ),
            Pair("MIN_MOVED_KM = 0.5", "MIN_MOVED_KM = 0.4", "a movement that may be rounding"),
            Pair("MIN_MOVED_KM = 0.5", "MIN_MOVED_KM = 0.6", "a movement by odometer"),
            Pair("MIN_MOVED_METRES = 200.0", "MIN_MOVED_METRES = 150.0", "a weak GPS signal"),
            Pair("MIN_MOVED_METRES = 200.0", "MIN_MOVED_METRES = 250.0", "a movement by position"),
            Pair("MIN_LEVEL_DROP = 3.0", "MIN_LEVEL_DROP = 2.0", "a level that fluctuates"),
            Pair("MIN_LEVEL_DROP = 3.0", "MIN_LEVEL_DROP = 4.0", "a level that only driving explains"),
            Pair(
                "MIN_ESTIMATE_SPAN = timedelta(minutes=10)",
                "MIN_ESTIMATE_SPAN = timedelta(minutes=9)",
                "an estimate over a short time",
            ),
            Pair(
                "MAX_ESTIMATE_AGE = timedelta(hours=1)",
                "MAX_ESTIMATE_AGE = timedelta(hours=2)",
                "an estimate that is old",
            ),
            Pair("MAX_CHARGE_RATE_KW = 400.0", "MAX_CHARGE_RATE_KW = 4000.0", "an impossible estimate"),
            *(
                Pair(old, new, f"charging is not ended by {name}")
                for old, new, name in (
                    ('frozenset({UNPLUGGED, "PLUGGED_IN:STOPPED"', 'frozenset({"PLUGGED_IN:STOPPED"', "UNPLUGGED"),
                    ('"PLUGGED_IN:STOPPED", ', "", "STOPPED"),
                    (', COMPLETE, "PLUGGED', ', "PLUGGED', "COMPLETE"),
                    ('"PLUGGED_IN:NO_POWER", ', "", "NO_POWER"),
                    (', "PLUGGED_IN:FAULT"})', "})", "FAULT"),
                )
            ),
        ),
    ),
    PairTable(
        file="relay/vehicles/transitions.py",
        tests=("tests/relay/vehicles/test_transitions.py",),
        pairs=(
            Pair(
                "was.plugged_in is False and now.plugged_in is True",
                "was.plugged_in is not True and now.plugged_in is True",
                "plugged in after an unknown state",
            ),
            Pair(
                "was.charging is False and now.charging is True",
                "was.charging is not True and now.charging is True",
                "charging after an unknown state",
            ),
            Pair(
                "was.fault is False and now.fault is True",
                "was.fault is not True and now.fault is True",
                "a fault after an unknown state",
            ),
            Pair("and now.fault is not True and now.complete)", "and now.complete)", "complete in spite of a fault"),
            Pair(
                "and now.fault is not True and not now.complete", "and not now.complete", "stopped in spite of a fault"
            ),
            Pair(
                "was.plugged_in is True and now.plugged_in is False",
                "was.plugged_in is not False and now.plugged_in is False",
                "unplugged after an unknown state",
            ),
        ),
    ),
)
