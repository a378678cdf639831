"""Requests, problems, and notifications between processes."""

from scripts.lib.mutation.tables import Pair, PairTable

PAIRS = (
    PairTable(
        file="relay/kit/ingress.py",
        tests=("tests/relay/kit/test_ingress.py",),
        pairs=(
            Pair(
                'SUPERVISOR_ADDRESS = "172.30.32.2"',
                'SUPERVISOR_ADDRESS = "172.30.32.1"',
                "another add-on is trusted as the Supervisor",
            ),
            Pair("{1,200}", "{1,201}", "a path that is too long is trusted"),
            Pair("[0-9a-f]{32}", "[0-9a-fA-F]{32}", "a user id with capitals is trusted"),
            Pair("[0-9a-f]{32}", "[0-9a-f]{31,33}", "a user id of another length is trusted"),
        ),
    ),
    PairTable(
        file="relay/kit/problems.py",
        tests=("tests/relay/kit/test_problem_responses.py",),
        pairs=(
            Pair(
                'TYPE_PREFIX = "urn:evconduit:problem:"',
                'TYPE_PREFIX = "urn:evconduit:problems:"',
                "clients don't recognise the types of problems",
            ),
        ),
    ),
    PairTable(
        file="relay/kit/problem_responses.py",
        tests=("tests/relay/kit/test_problem_responses.py",),
        pairs=(
            Pair('403: "forbidden", ', "", "a refused request has no type of its own"),
            Pair('413: "too-large"', '414: "too-large"', "a body that is too large has no type of its own"),
        ),
    ),
    PairTable(
        file="relay/bus/waker.py",
        tests=("tests/relay/bus/test_listener_state.py",),
        pairs=(
            Pair("MAX_IDS_PER_PAYLOAD = 240", "MAX_IDS_PER_PAYLOAD = 250", "a notification is too long for PostgreSQL"),
            Pair("MAX_PAYLOAD_LENGTH = 8_000", "MAX_PAYLOAD_LENGTH = 7_999", "a payload of full length isn't read"),
            Pair('payload.split() or [""]', "payload.split()", "a blank payload stops the listener"),
            Pair("hint != frozenset()", "hint is not frozenset()", "a blank payload is passed on as a hint for nobody"),
        ),
    ),
    PairTable(
        file="relay/bus/listener_state.py",
        tests=("tests/relay/bus/test_listener_state.py",),
        pairs=(
            Pair(
                "(0.2, 0.5, 1, 2, 5, 10)",
                "(0.2, 0.5, 1, 2, 5)",
                "the longest delay before another connection is missing",
            ),
            Pair(
                "test_interval: timedelta = timedelta(seconds=30)",
                "test_interval: timedelta = timedelta(seconds=31)",
                "a dead connection is noticed too late",
            ),
            Pair(
                "poll_interval: timedelta = timedelta(seconds=1)",
                "poll_interval: timedelta = timedelta(seconds=2)",
                "changes are looked for too rarely while notifications are missing",
            ),
        ),
    ),
    PairTable(
        file="relay/kit/embedded_logins.py",
        tests=("tests/relay/kit/test_embedded_logins.py",),
        pairs=(
            Pair("local all         all scram-sha-256", "local all all trust", "no password is required"),
            Pair(
                "nosuperuser nocreatedb nocreaterole noreplication nobypassrls",
                "superuser nocreatedb nocreaterole noreplication nobypassrls",
                "the relay's login may do anything",
            ),
            Pair(
                "return bool(has_secrets) and has_rules and self._marker_file.exists()",
                "return bool(has_secrets) and has_rules",
                "a conversion that was killed before the server read the rules isn't completed",
            ),
        ),
    ),
    PairTable(
        file="relay/kit/private_files.py",
        tests=("tests/relay/kit/test_private_files.py",),
        pairs=(
            Pair("OTHER_USERS_BITS = 0o077", "OTHER_USERS_BITS = 0o007", "the group may read the data folder"),
            Pair("os.O_EXCL, 0o600)", "os.O_EXCL, 0o644)", "others may read a secret"),
        ),
    ),
)
