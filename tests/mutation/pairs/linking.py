"""Link pages and unlinking."""

from scripts.lib.mutation.tables import Pair, PairTable

LINKING = ("tests/relay/usecases/linking",)

PAIRS = (
    PairTable(
        file="relay/usecases/linking/start_link_session.py",
        tests=(*LINKING,),
        pairs=(
            Pair(
                "u.id = p.user_id and u.closed_at is null and u.disabled_at is null",
                "u.id = p.user_id and u.disabled_at is null",
                "the page of a closed account opens",
            ),
            Pair(
                "u.id = p.user_id and u.closed_at is null and u.disabled_at is null",
                "u.id = p.user_id and u.closed_at is null",
                "the page of a disabled account opens",
            ),
            Pair("p.opened_at is not null as used", "false as used", "a used page is shown as unused"),
            Pair(
                "where id = %s and opened_at is null and expires_at",
                "where id = %s and expires_at",
                "a page is used twice",
            ),
            Pair(" and expires_at > clock_timestamp() returning", " returning", "an expired page is used"),
            Pair(
                "and opened_at = %s and returned_at is null and outcome is null",
                "and opened_at = %s and outcome is null",
                "a page is usable again after its return",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/linking/create_link_page.py",
        tests=(*LINKING,),
        pairs=(
            Pair(
                "order by created_at desc, id offset", "order by created_at, id offset", "the newest pages are deleted"
            ),
            Pair(
                "user_id = %(user_id)s and opened_at is null\n",
                "user_id = %(user_id)s\n",
                "used pages count towards the limit",
            ),
            Pair(
                "MAX_UNOPENED_PAGES = 20", "MAX_UNOPENED_PAGES = 21", "an account has 21 unopened pages instead of 20"
            ),
            Pair(
                "PAGE_LIFETIME = timedelta(hours=24)",
                "PAGE_LIFETIME = timedelta(hours=25)",
                "a page works for longer than a day",
            ),
            Pair(
                "RETENTION = timedelta(days=30)", "RETENTION = timedelta(days=0)", "expired pages are deleted at once"
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/linking/link_outcome.py",
        tests=(*LINKING,),
        pairs=(
            Pair(
                "where id = %(id)s and opened_at is not null and returned_at is null",
                "where id = %(id)s and returned_at is null",
                "a return to a page that wasn't opened counts",
            ),
            Pair(
                "where id = %(id)s and opened_at is not null and returned_at is null",
                "where id = %(id)s and opened_at is not null",
                "a second return counts",
            ),
            Pair(" and outcome is distinct from 'linked'", "", "a linked page fails later"),
            Pair('"cancelledByUser"', '"cancelled"', "a cancelled link counts as failed"),
        ),
    ),
    PairTable(
        file="relay/usecases/linking/unlink_vehicles.py",
        tests=(
            "tests/relay/usecases/linking/test_unlink_vehicles.py",
            *LINKING,
        ),
        pairs=(
            Pair(
                "where v.user_id = %(user_id)s and v.gone_at is null and v.vendor",
                "where v.user_id = %(user_id)s and v.vendor",
                "vehicles that were unlinked before are unlinked again",
            ),
            Pair(
                "and l.enode_vehicle_id = any (%s) and l.ended_at is null",
                "and l.enode_vehicle_id = any (%s)",
                "a link that ended is ended again",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/linking/poll_link_result.py",
        tests=(*LINKING,),
        pairs=(
            Pair(
                "where v.user_id = %(user_id)s and v.gone_at is null\n",
                "where v.user_id = %(user_id)s\n",
                "a result has unlinked vehicles",
            ),
            Pair(
                "MIN_CHECK_INTERVAL = timedelta(seconds=3)",
                "MIN_CHECK_INTERVAL = timedelta(seconds=0)",
                "requests to Enode have no limit",
            ),
        ),
    ),
)
