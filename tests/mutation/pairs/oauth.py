"""OAuth: codes, token pairs, their rotation and pruning."""

from scripts.lib.mutation.tables import Pair, PairTable

OAUTH = (
    "tests/relay/usecases/oauth/test_codes.py",
    "tests/relay/usecases/oauth/test_refresh.py",
    "tests/relay/usecases/oauth",
)

PAIRS = (
    PairTable(
        file="relay/identity/oauth_repository.py",
        tests=(
            *OAUTH,
            "tests/relay/usecases/account",
        ),
        pairs=(
            Pair(
                "where c.code_hash = %s and c.used_at is null and", "where c.code_hash = %s and", "a code works twice"
            ),
            Pair(
                "c.expires_at > now() and u.closed_at is null as is_valid",
                "u.closed_at is null as is_valid",
                "an expired code works",
            ),
            Pair(
                "c.expires_at > now() and u.closed_at is null as is_valid",
                "c.expires_at > now() as is_valid",
                "a code of a closed account works",
            ),
            Pair(
                "where c.code_hash = %s and g.id = c.grant_id",
                "where c.code_hash = %s and g.id <> c.grant_id",
                "a reused code revokes other grants",
            ),
            Pair(
                "  and g.id <> n.id and g.revoked_at is null\n",
                "  and g.revoked_at is null\n",
                "a new grant revokes itself",
            ),
            Pair(
                "(g.user_id, g.client_id, g.installation) = (n.user_id, n.client_id, n.installation)",
                "(g.user_id, g.client_id) = (n.user_id, n.client_id)",
                "a second Home Assistant revokes the first",
            ),
            Pair("g.revoked_at is not null or u.closed_at", "u.closed_at", "a revoked grant is refreshed"),
            Pair("or u.closed_at is not null or t.created_at", "or t.created_at", "a closed account is refreshed"),
            Pair(
                " or t.created_at < now() - %s as is_over",
                " or t.created_at < now() - 2 * %s as is_over",
                "an inactive grant is refreshed",
            ),
            Pair(
                "and used_at is not null order by used_at, id limit 1",
                "and used_at is not null order by used_at desc, id limit 1",
                "the twin used last is valid",
            ),
            Pair("where n.used_at is not null\n", "where true\n", "an unused successor replaces a pair"),
            Pair(
                "set used_at = clock_timestamp() where id = %s and used_at is null",
                "set used_at = clock_timestamp() where id = %s",
                "each refresh moves the first use",
            ),
            Pair(
                "and used_at is null order by created_at desc, id offset %s",
                "and used_at is null order by created_at, id offset %s",
                "the newest unused pairs are deleted",
            ),
            Pair(" and t.access_expires_at > now())", ")", "an expired access token finds its grant"),
        ),
    ),
    PairTable(
        file="relay/identity/oauth_pruning.py",
        tests=(
            "tests/relay/usecases/oauth/test_pruning.py",
            "tests/relay/identity/test_oauth_pruning.py",
            "tests/relay/usecases/oauth",
        ),
        pairs=(
            Pair(
                "where g.revoked_at is null and g.created_at < %s",
                "where g.revoked_at is null",
                "a new grant is revoked before it has tokens",
            ),
            Pair(
                "t.grant_id = g.id and t.created_at >= %s) limit",
                "t.grant_id = g.id and t.created_at > %s) limit",
                "a grant is revoked a moment too early",
                "it differs only for a token issued at that very microsecond",
            ),
            Pair(
                "where expires_at < %s limit %s",
                "where true or expires_at < %s limit %s",
                "a code that is still valid is deleted",
            ),
            Pair(
                "where t.replaces is null and n.successors = 1",
                "where n.successors = 1",
                "a pair is deleted before its predecessor",
            ),
            Pair(
                "where t.replaces is null and n.successors = 1",
                "where t.replaces is null",
                "a pair is deleted before its twins",
            ),
            Pair(
                "t.used_at is null or (s.used_at, s.id) < (t.used_at, t.id)",
                "t.used_at is null",
                "a twin that was used later stays",
                "the twin is replaced all the same; its row only takes room",
            ),
        ),
    ),
    PairTable(
        file="relay/identity/oauth.py",
        tests=(
            "tests/relay/identity/test_oauth.py",
            *OAUTH,
        ),
        pairs=(
            Pair(
                "CODE_LIFETIME = timedelta(seconds=60)",
                "CODE_LIFETIME = timedelta(seconds=120)",
                "a code works for too long",
            ),
            Pair(
                "ACCESS_TOKEN_LIFETIME = timedelta(minutes=30)",
                "ACCESS_TOKEN_LIFETIME = timedelta(minutes=60)",
                "an access token works for too long",
            ),
            Pair(
                "INACTIVITY_LIMIT = timedelta(days=365)",
                "INACTIVITY_LIMIT = timedelta(days=400)",
                "a grant works for too long without use",
            ),
            Pair(
                "REFRESH_RACE_WINDOW = timedelta(seconds=60)",
                "REFRESH_RACE_WINDOW = timedelta(seconds=600)",
                "a used refresh token works for too long",
            ),
            Pair("MAX_UNUSED_SUCCESSORS = 20", "MAX_UNUSED_SUCCESSORS = 21", "one unused pair too many is kept"),
            Pair(
                'r"[A-Za-z0-9._~-]{43,128}"', 'r"[A-Za-z0-9._~-]{42,128}"', "a verifier that is too short is accepted"
            ),
            Pair('r"[A-Za-z0-9._~-]{43,128}"', 'r"[A-Za-z0-9._~-]{43,129}"', "a verifier that is too long is accepted"),
            Pair(
                '_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}"',
                '_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43,}"',
                "a challenge that is too long is accepted",
            ),
            Pair("/auth/external/callback", "/auth/external/.*", "a redirect to another path is accepted"),
        ),
    ),
    PairTable(
        file="relay/identity/oauth_requests.py",
        tests=("tests/relay/identity/test_oauth_requests.py",),
        pairs=(
            Pair(
                "SIGNED_REQUEST_LIFETIME = timedelta(minutes=15)",
                "SIGNED_REQUEST_LIFETIME = timedelta(minutes=14)",
                "a sign-in page works for less than 15 minutes",
            ),
            Pair("MAX_STATE_LENGTH = 2000", "MAX_STATE_LENGTH = 2001", "a state that is too long is accepted"),
            Pair(
                "MAX_INSTALLATION_LENGTH = 100",
                "MAX_INSTALLATION_LENGTH = 99",
                "the longest name of an installation is refused",
            ),
        ),
    ),
)
