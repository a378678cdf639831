"""How often a client polls."""

from scripts.lib.mutation.tables import Pair, PairTable

PAIRS = (
    PairTable(
        file="relay/usecases/feed/plan_polling.py",
        tests=(
            "tests/relay/usecases/feed/test_plan_polling.py",
            "tests/relay/usecases/feed/test_account_and_vehicles.py",
            "tests/relay/metering",
        ),
        pairs=(
            Pair(
                "and gone_at is null and link_state = 'ok'",
                "and gone_at is null",
                "the activity of a vehicle over the limit",
            ),
            Pair(
                "and gone_at is null and link_state = 'ok'",
                "and link_state = 'ok'",
                "the activity of an unlinked vehicle",
            ),
            Pair(
                "(vehicle_cache || corrected) -> 'chargeState'",
                "vehicle_cache -> 'chargeState'",
                "the activity before corrections",
            ),
            Pair(
                "UNLIMITED_CALLS = 1_000_000", "UNLIMITED_CALLS = 10_000", "a plan without a limit is polled too rarely"
            ),
        ),
    ),
    PairTable(
        file="relay/metering/poll_schedule.py",
        tests=("tests/relay/metering",),
        pairs=(
            Pair(
                "MIN_POLL_INTERVAL = timedelta(minutes=5)",
                "MIN_POLL_INTERVAL = timedelta(minutes=4)",
                "the shortest interval",
            ),
            Pair(
                "MAX_POLL_INTERVAL = timedelta(hours=6)",
                "MAX_POLL_INTERVAL = timedelta(hours=7)",
                "the longest interval",
            ),
            Pair("JITTER = 0.1\n", "JITTER = 0.0\n", "polls in step"),
            Pair("JITTER = 0.1\n", "JITTER = 0.3\n", "more jitter than the reserve"),
            Pair(
                "RESET_JITTER = timedelta(minutes=5)",
                "RESET_JITTER = timedelta(0)",
                "all poll at the start of the month",
            ),
            Pair("CHARGING = 4.0", "CHARGING = 3.0", "the weight of charging"),
            Pair("PLUGGED_IN = 1.0", "PLUGGED_IN = 1.5", "the weight of a vehicle that is plugged in"),
            Pair("PARKED = 0.25", "PARKED = 0.5", "the weight of a parked vehicle"),
        ),
    ),
)
