"""Limits of plans, rates and time."""

from scripts.lib.mutation.tables import Pair, PairTable

PAIRS = (
    PairTable(
        file="relay/kit/http_limits.py",
        tests=("tests/relay/test_promised_limits.py",),
        pairs=(
            Pair("max_url_bytes: int = 8 * KIB", "max_url_bytes: int = 7 * KIB", "a shorter URL is rejected"),
            Pair("max_header_bytes: int = 32 * KIB", "max_header_bytes: int = 64 * KIB", "larger headers are accepted"),
            Pair("max_header_count: int = 100", "max_header_count: int = 101", "more header fields are accepted"),
            Pair("    header_seconds: float = 20", "    header_seconds: float = 200", "headers have longer to arrive"),
            Pair("    body_seconds: float = 30", "    body_seconds: float = 20", "bodies have less time to arrive"),
            Pair("max_body_seconds: float = 300", "max_body_seconds: float = 3000", "bodies have longer to arrive"),
            Pair("max_pending: int = 1024", "max_pending: int = 10_240", "more requests may be incomplete"),
            Pair("in_flight: int = 32 * MIB", "in_flight: int = 320 * MIB", "bodies take more memory"),
        ),
    ),
    PairTable(
        file="relay/plans.py",
        tests=(
            "tests/relay/test_plans.py",
            "tests/relay/test_settings.py",
            "tests/relay/usecases/calls",
            "tests/relay/usecases/vehicles",
            "tests/relay/usecases/feed",
        ),
        pairs=(
            Pair(
                "monthly_calls=300, has_push=False, vehicle_limit=1",
                "monthly_calls=301, has_push=False, vehicle_limit=1",
                "the plan free has another number of calls",
            ),
            Pair(
                "monthly_calls=300, has_push=False, vehicle_limit=1",
                "monthly_calls=300, has_push=True, vehicle_limit=1",
                "the plan free has push",
            ),
            Pair(
                "monthly_calls=300, has_push=False, vehicle_limit=1",
                "monthly_calls=300, has_push=False, vehicle_limit=2",
                "the plan free has another number of vehicles",
            ),
            Pair(
                "monthly_calls=2_500, has_push=False, vehicle_limit=3",
                "monthly_calls=2_501, has_push=False, vehicle_limit=3",
                "the plan basic has another number of calls",
            ),
            Pair(
                "monthly_calls=2_500, has_push=False, vehicle_limit=3",
                "monthly_calls=2_500, has_push=True, vehicle_limit=3",
                "the plan basic has push",
            ),
            Pair(
                "monthly_calls=2_500, has_push=False, vehicle_limit=3",
                "monthly_calls=2_500, has_push=False, vehicle_limit=4",
                "the plan basic has another number of vehicles",
            ),
            Pair(
                "monthly_calls=10_000, has_push=True, vehicle_limit=10",
                "monthly_calls=10_001, has_push=True, vehicle_limit=10",
                "the plan pro has another number of calls",
            ),
            Pair(
                "monthly_calls=10_000, has_push=True, vehicle_limit=10",
                "monthly_calls=10_000, has_push=False, vehicle_limit=10",
                "the plan pro has no push",
            ),
            Pair(
                "monthly_calls=10_000, has_push=True, vehicle_limit=10",
                "monthly_calls=10_000, has_push=True, vehicle_limit=11",
                "the plan pro has another number of vehicles",
            ),
            Pair("monthly_calls=None, has_push=True,", "has_push=True,", "a self-hosted relay limits calls"),
            Pair(
                "monthly_calls=None, has_push=True,",
                "monthly_calls=None, has_push=False,",
                "a self-hosted relay has no push",
            ),
            Pair("has_push=True, vehicle_limit=None)", "has_push=True)", "a self-hosted relay limits vehicles"),
            Pair(
                "SIGN_UP_PLAN: PlanName = FREE.name",
                "SIGN_UP_PLAN: PlanName = BASIC.name",
                "a new account has the plan basic",
            ),
            Pair(
                "OPERATOR_PLAN: PlanName = PRO.name",
                "OPERATOR_PLAN: PlanName = BASIC.name",
                "the operator's accounts have the plan basic",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/vehicles/limit_vehicles.py",
        tests=(
            "tests/relay/usecases/vehicles/test_served_vehicles.py",
            "tests/relay/usecases/vehicles",
            "tests/relay/usecases/linking",
        ),
        pairs=(
            Pair(
                "where v.user_id = u.id and v.gone_at is null) as linked",
                "where v.user_id = u.id) as linked",
                "unlinked vehicles take room",
            ),
            Pair(
                "(chosen_at is not null or id = any (%(chosen)s))", "id = any (%(chosen)s)", "an earlier choice stays"
            ),
            Pair(
                "filter (where v.link_state <> 'over_limit') as served",
                "as served",
                "vehicles over the limit count as served",
            ),
            Pair(
                "from vehicles v where v.user_id = u.id and v.gone_at is null\n",
                "from vehicles v where v.user_id = u.id\n",
                "unlinked vehicles are served",
            ),
            Pair("c.served > l.max_served", "c.served >= l.max_served + 2", "one vehicle over the limit stays served"),
            Pair(
                "(c.unserved > 0 and c.served < coalesce(l.max_served, c.served + 1))",
                "(c.unserved > 0 and c.served < l.max_served)",
                "vehicles stay unserved on an unlimited plan",
            ),
            Pair("where u.closed_at is null\n", "where true\n", "the limit of a closed account is applied"),
            Pair(
                "then now() end\nwhere user_id = %(user_id)s and",
                "then now() end\nwhere",
                "a choice of vehicles changes another account's",
            ),
            Pair(
                "c.served > l.max_served or (c.unserved > 0 and c.served < coalesce(l.max_served, c.served + 1))",
                "c.served > l.max_served",
                "vehicles stay unserved after a plan grows",
            ),
        ),
    ),
    PairTable(
        file="relay/kit/throttle.py",
        tests=(
            "tests/relay/usecases/calls/test_refresh_throttle.py",
            "tests/relay/usecases/vehicles",
            "tests/relay/usecases/classic/test_refresh_vehicles.py",
            "tests/relay/usecases/endpoints/test_register_endpoint.py",
        ),
        pairs=(
            Pair("({column} is null or {column} <=", "({column} <=", "the first refresh is refused"),
            Pair(
                "clock_timestamp() - %(interval)s ",
                "clock_timestamp() - 0 * %(interval)s ",
                "refreshes have no limit",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/vehicles/refresh_vehicle.py",
        tests=("tests/relay/usecases/vehicles",),
        pairs=(
            Pair(
                "MIN_REFRESH_INTERVAL = timedelta(minutes=5)",
                "MIN_REFRESH_INTERVAL = timedelta(minutes=6)",
                "a refresh is refused after five minutes",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/calls/refresh_throttle.py",
        tests=(
            "tests/relay/usecases/calls/test_refresh_throttle.py",
            "tests/relay/usecases/vehicles",
            "tests/relay/usecases/classic/test_refresh_vehicles.py",
        ),
        pairs=(
            Pair(
                "set refreshed_at = null where id = %s and refreshed_at = %s",
                "set refreshed_at = null where id = %s and refreshed_at <> %s",
                "another refresh is refused after one that failed",
            ),
            Pair(
                "where id = %s and refreshed_at = %s",
                "where id = %s and %s is not null",
                "a refresh that failed releases a later one",
            ),
            Pair(
                "where id = %(id)s and {interval_has_passed",
                "where {interval_has_passed",
                "a refresh of one row claims all rows",
            ),
        ),
    ),
    PairTable(
        file="relay/kit/rate_limiter.py",
        tests=("tests/relay/kit/test_rate_limiter.py",),
        pairs=(Pair("MINUTE_SECONDS = 60.0", "MINUTE_SECONDS = 61.0", "a minute has 61 seconds"),),
    ),
)
