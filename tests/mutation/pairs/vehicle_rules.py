"""Vehicles: corrections and transitions."""

from scripts.lib.mutation.tables import Pair, PairTable

CORRECTIONS = tuple(
    f"tests/relay/vehicles/test_{name}.py" for name in ("false_unplugged", "charge_rate", "corrections")
)

PAIRS = (
    PairTable(
        file="relay/vehicles/plausibility/false_unplugged.py",
        tests=(*CORRECTIONS,),
        pairs=(
            Pair(
                "MAX_PLUGGED_IN_HOLD = timedelta(hours=24)",
                "MAX_PLUGGED_IN_HOLD = timedelta(hours=23)",
                "plugged in isn't kept for 24 hours",
            ),
            Pair(
                "MAX_PLUGGED_IN_HOLD = timedelta(hours=24)",
                "MAX_PLUGGED_IN_HOLD = timedelta(hours=25)",
                "plugged in is kept for more than 24 hours",
            ),
            Pair("MIN_LEVEL_DROP = 3.0", "MIN_LEVEL_DROP = 2.0", "a level that fluctuates counts as driving"),
            Pair("MIN_LEVEL_DROP = 3.0", "MIN_LEVEL_DROP = 4.0", "a drop of 3 points doesn't count as driving"),
            Pair("MIN_RETURNS = 2", "MIN_RETURNS = 1", "a car that was unplugged for once is shown as plugged in"),
            Pair("MIN_RETURNS = 2", "MIN_RETURNS = 3", "a car that returned to the cable twice isn't known for it"),
        ),
    ),
    PairTable(
        file="relay/vehicles/places.py",
        tests=("tests/relay/vehicles/test_places.py", *CORRECTIONS),
        pairs=(
            Pair("EARTH_RADIUS_M = 6_371_000.0", "EARTH_RADIUS_M = 6_771_000.0", "distances are 6 % too long"),
            Pair("MIN_DRIVEN_KM = 0.5", "MIN_DRIVEN_KM = 0.4", "a movement that may be rounding counts"),
            Pair("MIN_DRIVEN_KM = 0.5", "MIN_DRIVEN_KM = 0.6", "a movement of 0.5 km doesn't count"),
        ),
    ),
    PairTable(
        file="relay/vehicles/plausibility/movement.py",
        tests=(*CORRECTIONS,),
        pairs=(
            Pair("MIN_MOVED_METRES = 200.0", "MIN_MOVED_METRES = 150.0", "a weak GPS signal counts as a movement"),
            Pair("MIN_MOVED_METRES = 200.0", "MIN_MOVED_METRES = 250.0", "a movement of 200 m doesn't count"),
        ),
    ),
    PairTable(
        file="relay/vehicles/plausibility/charge_rate.py",
        tests=(*CORRECTIONS,),
        pairs=(
            Pair(
                "MIN_ESTIMATE_SPAN = timedelta(minutes=10)",
                "MIN_ESTIMATE_SPAN = timedelta(minutes=9)",
                "the rate is estimated over too short a time",
            ),
            Pair(
                "MAX_ESTIMATE_AGE = timedelta(hours=1)",
                "MAX_ESTIMATE_AGE = timedelta(hours=2)",
                "an estimate that is old is shown",
            ),
            Pair("MAX_CHARGE_RATE_KW = 400.0", "MAX_CHARGE_RATE_KW = 4000.0", "an impossible estimate is shown"),
        ),
    ),
    PairTable(
        file="relay/vehicles/plausibility/contradictions.py",
        tests=(*CORRECTIONS,),
        pairs=tuple(
            Pair(old, new, f"charging is not ended by {name}")
            for old, new, name in (
                ("frozenset({STOPPED, COMPLETE", "frozenset({COMPLETE", "STOPPED"),
                ("{STOPPED, COMPLETE, ", "{STOPPED, ", "COMPLETE"),
                ('"PLUGGED_IN:NO_POWER", ', "", "NO_POWER"),
                (", FAULT})", "})", "FAULT"),
            )
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
                "an unknown state before counts as unplugged",
            ),
            Pair(
                "was.charging is False and now.charging is True",
                "was.charging is not True and now.charging is True",
                "an unknown state before counts as not charging",
            ),
            Pair(
                "was.fault is False and now.fault is True",
                "was.fault is not True and now.fault is True",
                "an unknown state before counts as no fault",
            ),
            Pair(
                "and now.fault is not True and now.complete)",
                "and now.complete)",
                "charging is complete in spite of a fault",
            ),
            Pair(
                "and now.fault is not True and not now.complete",
                "and not now.complete",
                "charging has stopped in spite of a fault",
            ),
            Pair(
                "was.plugged_in is True and now.plugged_in is False",
                "was.plugged_in is not False and now.plugged_in is False",
                "an unknown state before counts as plugged in",
            ),
        ),
    ),
)
