"""Commands: sent once, settled once, never backwards."""

from scripts.lib.mutation.tables import Pair, PairTable

COMMANDS = ("tests/relay/usecases/commands",)

PAIRS = (
    PairTable(
        file="relay/usecases/commands/repository.py",
        tests=(*COMMANDS,),
        pairs=(
            Pair(
                "select * from commands where user_id = %s and id = %s",
                "select * from commands where user_id is not null and %s::uuid is not null and id = %s",
                "another user's command is found",
            ),
            Pair(
                "where user_id = %s and vehicle_id = %s order",
                "where %s::uuid is not null and vehicle_id = %s order",
                "another user's history is listed",
                "the vehicle is looked up as the user's own before",
            ),
            Pair(
                "order by requested_at desc, id limit %s",
                "order by requested_at, id limit %s",
                "the oldest commands are listed",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/commands/update_state.py",
        tests=(
            "tests/relay/usecases/commands/test_update_state.py",
            *COMMANDS,
            "tests/relay/usecases/events/test_apply_actions.py",
        ),
        pairs=(
            Pair(
                "(settled_at is null or state = 'unknown' and %(settled)s)",
                "(settled_at is null)",
                "an unknown outcome stays unknown",
            ),
            Pair(
                "(settled_at is null or state = 'unknown' and %(settled)s)",
                "(true or %(settled)s)",
                "a settled command changes",
            ),
            Pair("or state = 'unknown' and %(settled)s)", "or state = 'unknown')", "an unknown outcome becomes open"),
            Pair(
                "and (state, enode_action_id) is distinct from",
                "and (state || ' ', enode_action_id) is distinct from",
                "the same outcome is published twice",
            ),
            Pair(
                "enode_action_id = coalesce(%(action_id)s, enode_action_id),",
                "enode_action_id = %(action_id)s,",
                "the action's id is lost",
            ),
            Pair(
                'coalesce({cap_reported_column("%(settled_at)s::timestamptz")}, now()) end',
                "now() end",
                "Enode's time of settlement is lost",
            ),
            Pair('    "FAILED": "failed",\n', '    "FAILED": "cancelled",\n', "a failed command is shown as cancelled"),
            Pair('    "CANCELLED": "cancelled",\n', "", "a cancelled command stays open"),
            Pair(
                "(settled_at is null or state = 'unknown' and %(settled)s)",
                "settled_at is null",
                "an unknown outcome never becomes known",
            ),
            Pair(
                "(state, enode_action_id) is distinct from (%(state)s, coalesce(%(action_id)s, enode_action_id))",
                "state is distinct from %(state)s",
                "the id of the action isn't stored if the state stays the same",
            ),
            Pair(
                '"PENDING": "pending",\n',
                "",
                "the state PENDING has no entry",
                "the default for states without an entry is pending, too",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/commands/check_outcome.py",
        tests=(
            "tests/relay/usecases/commands/test_check_schedule.py",
            "tests/relay/usecases/commands/test_check_outcome.py",
            *COMMANDS,
        ),
        pairs=(
            Pair(
                "from commands where id = %s and settled_at is null",
                "from commands where id = %s",
                "a settled command is checked",
            ),
            Pair(
                "where settled_at is null and requested_at < now() - %s",
                "where requested_at < now() - %s",
                "settled commands are checked again",
            ),
            Pair(
                "where settled_at is null and requested_at < now() - %s",
                "where settled_at is null and requested_at < now() + 0 * %s",
                "a new command counts as stale",
            ),
            Pair("(30, 120, 600, 2100)", "(30, 120, 600, 1500)", "the last check comes before Enode's time-out"),
            Pair(
                "CHECK_DELAYS[-1] + timedelta(minutes=10)",
                "CHECK_DELAYS[-1]",
                "a command counts as stale before its last check",
            ),
            Pair("(30, 120, 600, 2100)", "(30, 120, 600, 1800)", "the last check comes before Enode's time-out"),
            Pair(
                "timedelta(minutes=10)",
                "timedelta(minutes=11)",
                "a stale command gets its last check a minute too late",
            ),
            Pair(
                "order by requested_at limit",
                "order by requested_at desc limit",
                "the newest stale commands are checked first",
            ),
            Pair(
                "CHECK_INTERVAL_SECONDS = 60.0",
                "CHECK_INTERVAL_SECONDS = 61.0",
                "stale commands are looked for too rarely",
            ),
        ),
    ),
)
