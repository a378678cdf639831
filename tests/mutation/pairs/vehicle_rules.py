"""Vehicles: corrections and transitions."""

from scripts.lib.mutation.tables import Pair, PairTable

CORRECTIONS = tuple(
    f"tests/relay/vehicles/test_{name}.py" for name in ("false_unplugged", "charge_rate", "corrections")
)

PAIRS = (
    PairTable(
        file="relay/vehicles/corrections.py",
        tests=(*CORRECTIONS,),
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
        tests=(
            "tests/relay/vehicles/test_charge_flags.py",
            "tests/relay/vehicles/test_transitions.py",
        ),
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
