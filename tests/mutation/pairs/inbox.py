"""The inbox: order of events, repeated events, failures."""

from scripts.lib.mutation.tables import Pair, PairTable

EVENTS = ("tests/relay/usecases/events/test_drain_inbox.py", "tests/relay/usecases/events")

PAIRS = (
    PairTable(
        file="relay/inbox/queue.py",
        tests=(
            "tests/relay/inbox/test_queue.py",
            *EVENTS,
            "tests/relay/usecases/account",
        ),
        pairs=(
            Pair("(5, 30, 120, 600)", "(5, 30, 120, 1200)", "the last retry of an event comes too late"),
            Pair("(5, 30, 120, 600)", "(5, 30, 120)", "an event has one attempt too few"),
            Pair(
                'is_due("w.next_try_at", MAX_TRY_AHEAD)',
                '"w.next_try_at <= now()"',
                "events wait until a clock that was ahead has caught up",
            ),
            Pair(
                "where state = 'pending' and user_id = %s and {IS_EVENT_DUE}\norder by w.event_at, id",
                "where state = 'pending' and user_id = %s\norder by event_at, id",
                "a retry comes before its time",
            ),
            Pair(
                "and user_id = %s and {IS_EVENT_DUE}\norder by w.event_at, id limit",
                "and user_id = %s and {IS_EVENT_DUE}\norder by id limit",
                "events are processed in the order of arrival",
            ),
            Pair(
                "and user_id = %s and {IS_EVENT_DUE}\norder by w.event_at, id limit",
                "and user_id = %s and {IS_EVENT_DUE}\norder by w.event_at, id desc limit",
                "events of the same time are processed in the wrong order",
            ),
            Pair(
                "and user_id = %s and {IS_EVENT_DUE}\norder by w.event_at, id limit",
                "and user_id = %s and {IS_EVENT_DUE}\norder by w.event_at, id::text limit",
                "event ids are compared as text: 9 and 10",
            ),
            Pair(
                "user_id is null and {IS_EVENT_DUE}\norder",
                "user_id is null\norder",
                "an event without a user is retried before its time",
            ),
            Pair(
                "case when outcome.state <> 'pending' then now() end",
                "now()",
                "an event that will be retried counts as settled",
            ),
            Pair(
                "user_id is not null and {IS_EVENT_DUE} limit 1000",
                "user_id is not null limit 1000",
                "users without due events are processed",
            ),
            Pair(
                "on u.id = w.user_id and u.closed_at is null",
                "on u.id = w.user_id",
                "events of a closed account are processed",
            ),
            Pair(
                "\"where state = 'pending' and user_id = any (%s)\"",
                '"where user_id = any (%s)"',
                "processed events are ignored later",
            ),
            Pair(
                "and user_id is null and {IS_EVENT_DUE}\norder by w.event_at, id",
                "and user_id is null and {IS_EVENT_DUE}\norder by w.event_at, id desc",
                "events without a user are processed in the wrong order",
            ),
            Pair(" for update skip locked", " for update", "two processes wait for the same events"),
            Pair("BATCH_SIZE = 100", "BATCH_SIZE = 101", "one transaction takes too many events"),
        ),
    ),
    PairTable(
        file="relay/inbox/repository.py",
        tests=(
            "tests/relay/inbox",
            *EVENTS,
        ),
        pairs=(
            Pair(
                "order by ordinal\n", "order by ordinal desc\n", "events of one delivery are stored in the wrong order"
            ),
            Pair("case when state = 'set_aside' then now() end", "null", "the time when a body was set aside is lost"),
        ),
    ),
    PairTable(
        file="relay/inbox/signature_failure_counter.py",
        tests=(
            "tests/relay/inbox",
            "tests/relay/usecases/operations",
        ),
        pairs=(
            Pair(
                "set count = f.count + excluded.count",
                "set count = excluded.count",
                "failures of one minute aren't summed",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/events/drain_inbox.py",
        tests=(*EVENTS,),
        pairs=(
            Pair(
                "on u.id = f.user_id and u.closed_at is null",
                "on u.id = f.user_id",
                "events of a closed account are processed",
            ),
            Pair(
                "w.state = 'pending' and {queue.IS_EVENT_DUE})",
                "w.state = 'pending')",
                "a user without due events is locked",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/events/event_failures.py",
        tests=(
            "tests/relay/usecases/events/test_event_failures.py",
            *EVENTS,
        ),
        pairs=(
            Pair(
                'frozenset({"08", "40", "53", "55", "57"})',
                'frozenset({"08", "40", "53", "57"})',
                "an event fails for good if a lock isn't available",
            ),
            Pair(
                'frozenset({"08", "40", "53", "55", "57"})',
                'frozenset({"08", "53", "55", "57"})',
                "an event fails for good after a deadlock",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/events/replay_inbox.py",
        tests=(
            "tests/relay/usecases/events/test_replay_inbox.py",
            "tests/relay/cli",
        ),
        pairs=(
            Pair("where state <> 'pending' and (%(ids)s", "where (%(ids)s", "pending events are replayed"),
            Pair(
                "created_at >= %(since)s)",
                "created_at > %(since)s)",
                "an event at the start of the time isn't replayed",
            ),
            Pair("created_at < %(until)s)", "created_at <= %(until)s)", "an event at the end of the time is replayed"),
            Pair(
                "set state = 'pending', attempts = 0, reason",
                "set state = 'pending', reason",
                "a replayed event has fewer attempts left",
            ),
            Pair("    replayed_at = now()\nwhere", "    replayed_at = null\nwhere", "a replayed event counts as new"),
        ),
    ),
    PairTable(
        file="relay/usecases/events/fetch_interventions.py",
        tests=("tests/relay/usecases/events/test_fetch_interventions.py",),
        pairs=(
            Pair(
                'or {is_before("i.fetched_at", "interval \'1 day\'")})',
                "or i.fetched_at < now())",
                "interventions are fetched again and again",
            ),
            Pair(
                "join users u on u.id = v.user_id and u.closed_at is null",
                "join users u on u.id = v.user_id",
                "interventions are fetched for a closed account",
            ),
            Pair(
                "where v.intervention_ids <> '[]' and v.gone_at is null and length",
                "where v.intervention_ids <> '[]' and length",
                "interventions are fetched for an unlinked vehicle",
            ),
            Pair(
                "on i.id = named.id and i.language = u.language",
                "on i.id = named.id",
                "an intervention in another language counts as fetched",
            ),
            Pair(
                "payload is distinct from (select payload from before)",
                "true or payload is distinct from (select payload from before)",
                "an unchanged intervention counts as changed",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/calls/store_readings.py",
        tests=(
            "tests/relay/usecases/calls/test_store_readings.py",
            "tests/relay/usecases/events/test_poll_enode.py",
            "tests/relay/usecases/linking",
            "tests/relay/usecases/classic/test_refresh_vehicles.py",
        ),
        pairs=(
            Pair(
                "where l.ended_at is null and (%(user_id)s",
                "where (%(user_id)s",
                "an unlinked vehicle is deleted again",
            ),
            Pair(
                "id::text = any (%s) and closed_at is null",
                "id::text = any (%s)",
                "vehicles of a closed account are stored",
            ),
            Pair(
                "and (%(user_id)s::uuid is null or v.user_id = %(user_id)s)",
                "",
                "a user's list ends the vehicles of all other users",
            ),
            Pair(
                "on u.id = v.user_id and u.closed_at is null",
                "on u.id = v.user_id",
                "vehicles of a closed account are deleted again",
            ),
        ),
    ),
)
