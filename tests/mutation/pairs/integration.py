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
                "polling during an outage is too rare",
            ),
            Pair(
                "DEFAULT_POLL_INTERVAL: Final = timedelta(hours=1)",
                "DEFAULT_POLL_INTERVAL: Final = timedelta(hours=2)",
                "polling without a request of the relay is too rare",
            ),
            Pair(
                "MIN_POLL_INTERVAL: Final = timedelta(minutes=1)",
                "MIN_POLL_INTERVAL: Final = timedelta(minutes=0)",
                "the relay can ask for polling without a pause",
            ),
            Pair(
                "MAX_POLL_INTERVAL: Final = timedelta(hours=12)",
                "MAX_POLL_INTERVAL: Final = timedelta(hours=13)",
                "the relay can ask for polls that are too rare",
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
                "polling starts too late in an outage",
            ),
            Pair("if entry.pref_disable_polling:", "if False:", "polling that the user disabled goes on"),
            Pair(
                "if needs_credential(err):",
                "if not needs_credential(err):",
                "a credential without permission is used on and on",
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
                "old data is shown for too long",
            ),
        ),
    ),
    PairTable(
        file="custom_components/evconduit/webhook_handler.py",
        tests=("tests/component/test_webhook.py",),
        pairs=(
            Pair(
                "MAX_BODY_SIZE: Final = 8 * 1024 * 1024",
                "MAX_BODY_SIZE: Final = 9 * 1024 * 1024",
                "a body that is too large is read",
            ),
            Pair(
                "MAX_REMEMBERED_IDS: Final = 256",
                "MAX_REMEMBERED_IDS: Final = 1",
                "a delivery that is repeated later counts as new",
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
                "an old signature is accepted",
            ),
            Pair(
                "MAX_SIGNATURES: Final = 8", "MAX_SIGNATURES: Final = 7", "a delivery with eight signatures is refused"
            ),
            Pair("MAX_HEADER_LENGTH: Final = 2048", "MAX_HEADER_LENGTH: Final = 2047", "the longest header is refused"),
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
                "a stream is opened again too late",
            ),
            Pair(
                "MAX_RETRY_AFTER: Final = timedelta(hours=1)",
                "MAX_RETRY_AFTER: Final = timedelta(hours=2)",
                "the relay can delay a stream for two hours",
            ),
            Pair(
                "STABLE_AFTER: Final = timedelta(seconds=30)",
                "STABLE_AFTER: Final = timedelta(seconds=0)",
                "a stream that ends at once counts as stable",
            ),
            Pair(
                "INITIAL_BACKOFF: Final = timedelta(seconds=1)",
                "INITIAL_BACKOFF: Final = timedelta(seconds=2)",
                "the first attempt after a failure comes too late",
            ),
            Pair(
                "STABLE_AFTER: Final = timedelta(seconds=30)",
                "STABLE_AFTER: Final = timedelta(seconds=31)",
                "a stream of 30 seconds doesn't count as stable",
            ),
            Pair('    "vehicle_removed": VehicleRemoved.parse,\n', "", "the removal of a vehicle is ignored"),
        ),
    ),
    PairTable(
        file="custom_components/evconduit/client/responses.py",
        tests=("tests/component/test_client.py",),
        pairs=(
            Pair(
                "MAX_RETRY_AFTER = timedelta(hours=12)",
                "MAX_RETRY_AFTER = timedelta(hours=13)",
                "the relay can delay a request for too long",
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
            Pair(
                '    (QuotaExhaustedError, "quota_exhausted"),\n',
                "",
                "an exhausted allowance has no message of its own",
            ),
            Pair(
                '    (EnodeUnavailableError, "enode_unavailable"),\n',
                "",
                "an outage of Enode has no message of its own",
            ),
            Pair(
                '    (AccountDisabledError, "account_disabled"),\n', "", "a disabled account has no message of its own"
            ),
            Pair('    (NotFoundError, "vehicle_gone"),\n', "", "a vehicle that is gone has no message of its own"),
        ),
    ),
    PairTable(
        file="custom_components/evconduit/vehicle_coordinator.py",
        tests=("tests/component/test_switch.py",),
        pairs=(
            Pair(
                "(5, 10, 15, 30, 60, 120, 240, 600, 1200)",
                "(5, 10, 15, 30, 60, 120, 240)",
                "a command that is settled after half an hour stays open",
            ),
        ),
    ),
)
