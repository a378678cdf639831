"""The integration: intervals, limits and tables."""

from scripts.lib.mutation.tables import Pair, PairTable

POLLING = ("tests/component/test_polling.py", "tests/component/test_outage.py")

PAIRS = (
    PairTable(
        file="custom_components/evconduit/poll_intervals.py",
        tests=(*POLLING,),
        pairs=(
            Pair(
                "OUTAGE_POLL_INTERVAL: Final = timedelta(minutes=15)",
                "OUTAGE_POLL_INTERVAL: Final = timedelta(minutes=16)",
                "polling during an outage",
            ),
            Pair(
                "DEFAULT_POLL_INTERVAL: Final = timedelta(hours=1)",
                "DEFAULT_POLL_INTERVAL: Final = timedelta(hours=2)",
                "polling without a request of the relay",
            ),
            Pair(
                "MIN_POLL_INTERVAL: Final = timedelta(minutes=1)",
                "MIN_POLL_INTERVAL: Final = timedelta(minutes=0)",
                "the shortest interval",
            ),
            Pair(
                "MAX_POLL_INTERVAL: Final = timedelta(hours=12)",
                "MAX_POLL_INTERVAL: Final = timedelta(hours=13)",
                "the longest interval",
            ),
        ),
    ),
    PairTable(
        file="custom_components/evconduit/polling.py",
        tests=(
            *POLLING,
            "tests/component/test_disabled_polling.py",
            "tests/component/test_polling.py",
        ),
        pairs=(
            Pair(
                "OUTAGE_POLL_DELAY = timedelta(minutes=2)",
                "OUTAGE_POLL_DELAY = timedelta(minutes=3)",
                "when polling starts",
            ),
            Pair("if entry.pref_disable_polling:", "if False:", "polling is disabled by the user"),
            Pair(
                "isinstance(err, UnauthorizedError | ForbiddenError)",
                "isinstance(err, UnauthorizedError)",
                "a credential without permission",
            ),
        ),
    ),
    PairTable(
        file="custom_components/evconduit/availability.py",
        tests=(*POLLING,),
        pairs=(
            Pair(
                "VALID_FOR: Final = timedelta(minutes=15)",
                "VALID_FOR: Final = timedelta(minutes=17)",
                "how long data is shown",
            ),
        ),
    ),
    PairTable(
        file="custom_components/evconduit/webhook_handler.py",
        tests=("tests/component/test_webhook.py",),
        pairs=(
            Pair(
                "MAX_BODY_SIZE: Final = 8 * 1024 * 1024", "MAX_BODY_SIZE: Final = 9 * 1024 * 1024", "the largest body"
            ),
            Pair(
                "MAX_REMEMBERED_IDS: Final = 256", "MAX_REMEMBERED_IDS: Final = 1", "a delivery that is repeated later"
            ),
        ),
    ),
    PairTable(
        file="custom_components/evconduit/client/webhook.py",
        tests=("tests/component/test_webhook_signature.py",),
        pairs=(
            Pair(
                "TIMESTAMP_TOLERANCE: Final = timedelta(minutes=5)",
                "TIMESTAMP_TOLERANCE: Final = timedelta(minutes=6)",
                "an old signature",
            ),
            Pair("MAX_SIGNATURES: Final = 8", "MAX_SIGNATURES: Final = 7", "the number of signatures"),
            Pair("MAX_HEADER_LENGTH: Final = 2048", "MAX_HEADER_LENGTH: Final = 2047", "the length of a header"),
        ),
    ),
    PairTable(
        file="custom_components/evconduit/client/stream.py",
        tests=(
            "tests/component/test_stream.py",
            "tests/component/test_outage.py",
            "tests/component/test_backoff.py",
        ),
        pairs=(
            Pair(
                "MAX_BACKOFF: Final = timedelta(minutes=2)",
                "MAX_BACKOFF: Final = timedelta(minutes=20)",
                "the longest delay",
            ),
            Pair(
                "MAX_RETRY_AFTER: Final = timedelta(hours=1)",
                "MAX_RETRY_AFTER: Final = timedelta(hours=2)",
                "the longest Retry-After",
            ),
            Pair(
                "STABLE_AFTER: Final = timedelta(seconds=30)",
                "STABLE_AFTER: Final = timedelta(seconds=0)",
                "when failures are forgotten",
            ),
            Pair(
                "INITIAL_BACKOFF: Final = timedelta(seconds=1)",
                "INITIAL_BACKOFF: Final = timedelta(seconds=2)",
                "delay",
            ),
            Pair(
                "STABLE_AFTER: Final = timedelta(seconds=30)", "STABLE_AFTER: Final = timedelta(seconds=31)", "stable"
            ),
            Pair('    "vehicle_removed": VehicleRemoved.parse,\n', "", "removals"),
        ),
    ),
    PairTable(
        file="custom_components/evconduit/client/responses.py",
        tests=("tests/component/test_client.py",),
        pairs=(
            Pair(
                "MAX_RETRY_AFTER = timedelta(hours=12)",
                "MAX_RETRY_AFTER = timedelta(hours=13)",
                "the longest Retry-After",
            ),
        ),
    ),
    PairTable(
        file="custom_components/evconduit/error_messages.py",
        tests=(
            "tests/component/test_switch.py",
            "tests/component/test_button.py",
            "tests/component/test_config_flow.py",
        ),
        pairs=(
            Pair('    (QuotaExhaustedError, "quota_exhausted"),\n', "", "the message for an exhausted allowance"),
            Pair('    (EnodeUnavailableError, "enode_unavailable"),\n', "", "the message while Enode doesn't answer"),
            Pair('    (AccountDisabledError, "account_disabled"),\n', "", "the message for a disabled account"),
            Pair('    (NotFoundError, "vehicle_gone"),\n', "", "the message for a vehicle that is gone"),
        ),
    ),
    PairTable(
        file="custom_components/evconduit/vehicle_coordinator.py",
        tests=("tests/component/test_switch.py",),
        pairs=(
            Pair(
                "(5, 10, 15, 30, 60, 120, 240, 600, 1200)",
                "(5, 10, 15, 30, 60, 120, 240)",
                "a command that is settled after half an hour",
            ),
        ),
    ),
)
