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
                "the activity of a vehicle over the limit counts",
            ),
            Pair(
                "and gone_at is null and link_state = 'ok'",
                "and link_state = 'ok'",
                "the activity of an unlinked vehicle counts",
            ),
            Pair(
                "(vehicle_cache || corrected) -> 'chargeState'",
                "vehicle_cache -> 'chargeState'",
                "the activity is read without corrections",
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
                "clients poll more often than every five minutes",
            ),
            Pair(
                "MAX_POLL_INTERVAL = timedelta(hours=6)",
                "MAX_POLL_INTERVAL = timedelta(hours=7)",
                "clients poll more rarely than every six hours",
            ),
            Pair("JITTER = 0.1\n", "JITTER = 0.0\n", "all clients poll in step"),
            Pair("JITTER = 0.1\n", "JITTER = 0.3\n", "jitter uses up more than the reserve"),
            Pair(
                "RESET_JITTER = timedelta(minutes=5)",
                "RESET_JITTER = timedelta(0)",
                "all poll at the start of the month",
            ),
            Pair("CHARGING = 4.0", "CHARGING = 3.0", "charging vehicles are polled too rarely"),
            Pair("PLUGGED_IN = 1.0", "PLUGGED_IN = 1.5", "vehicles that are plugged in are polled too often"),
            Pair("PARKED = 0.25", "PARKED = 0.5", "parked vehicles are polled too often"),
        ),
    ),
)
