"""The feed: sequence numbers, snapshots, changes, replay."""

from scripts.lib.mutation.tables import Pair, PairTable

FEED = ("tests/relay/usecases/feed/test_reader.py", "tests/relay/usecases/feed", "tests/relay/usecases/vehicles")

PAIRS = (
    PairTable(
        file="relay/usecases/feed/reader.py",
        tests=(*FEED, "tests/relay/usecases/events/test_fetch_interventions.py", "tests/relay/usecases/commands"),
        pairs=(
            Pair(
                "and o.link_state <> 'over_limit' and t.live", "and t.live", "transitions of a vehicle over the limit"
            ),
            Pair(
                "and o.link_state <> 'over_limit' and t.live",
                "and o.link_state <> 'over_limit'",
                "transitions that a replay of the inbox adds",
            ),
            Pair(
                "where v.user_id = f.user_id and v.gone_at is null)",
                "where v.user_id = f.user_id)",
                "a snapshot with unlinked vehicles",
            ),
            Pair("and f.epoch = %(epoch)s and t.seq > %(seq)s", "and t.seq > %(seq)s", "a replay for another epoch"),
            Pair(
                "and t.seq > %(seq)s and f.seq >= %(seq)s",
                "and t.seq >= %(seq)s and f.seq >= %(seq)s",
                "the last transition is replayed again",
            ),
            Pair("order by t.seq desc limit {MAX", "order by t.seq limit {MAX", "the oldest transitions are replayed"),
            Pair("MAX_REPLAYED_TRANSITIONS + 1}", "MAX_REPLAYED_TRANSITIONS}", "a gap of exactly one transition"),
            Pair("order by item.transition is not null, item.seq", "order by item.seq desc", "the order of a snapshot"),
            Pair(
                "f.seq <> client.seq and not {DELIVERY_PAUSED}",
                "f.seq <> client.seq",
                "changes while delivery is paused",
            ),
            Pair("v.revision > client.seq)", "v.revision >= client.seq)", "a vehicle is sent twice"),
            Pair(
                "t.user_id = f.user_id and t.seq > client.seq",
                "t.user_id = f.user_id and t.seq >= client.seq",
                "a transition is sent twice",
            ),
            Pair(
                "order by f.user_id, item.seq, item.transition is null",
                "order by f.user_id, item.transition is null, item.seq",
                "the order of changes",
            ),
            Pair(
                "order by requested_at desc, id limit 1",
                "order by requested_at, id limit 1",
                "the oldest command in the record",
            ),
            Pair(
                "order by n.id, n.language = u.language desc",
                "order by n.id, n.language = u.language",
                "interventions in English",
            ),
            Pair(
                "n.language in (u.language, 'en-US')",
                "n.language = u.language",
                "interventions before they are translated",
            ),
        ),
    ),
    PairTable(
        file="relay/feed/sequence.py",
        tests=("tests/relay/usecases/feed", "tests/relay/usecases/events"),
        pairs=(
            Pair(
                "set seq = seq + %s where",
                "set seq = seq + 2 * %s where",
                "gaps in the sequence",
                "a client compares sequence numbers, it doesn't count them",
            ),
        ),
    ),
    PairTable(
        file="relay/feed/cursor.py",
        tests=("tests/relay/feed", *FEED),
        pairs=(
            Pair(
                "REPLAY_WINDOW = timedelta(hours=24)",
                "REPLAY_WINDOW = timedelta(hours=23)",
                "how long transitions are replayed",
            ),
            Pair(
                "MAX_REPLAYED_TRANSITIONS = 1000", "MAX_REPLAYED_TRANSITIONS = 999", "how many transitions are replayed"
            ),
        ),
    ),
    PairTable(
        file="relay/feed/delivery_switch.py",
        tests=("tests/relay/usecases/feed", "tests/relay/usecases/endpoints", "tests/relay/cli"),
        pairs=(Pair(" and value = 'true')", ")", "delivery stays paused after it is resumed"),),
    ),
    PairTable(
        file="relay/usecases/feed/record_change.py",
        tests=("tests/relay/usecases/events", "tests/relay/usecases/feed"),
        pairs=(
            Pair(
                "on conflict (vehicle_id, source_event_id, kind) do nothing",
                "on conflict (vehicle_id, source_event_id, kind) do update set live = excluded.live",
                "a replayed event sends its transition again",
            ),
            Pair(
                "select %(user_id)s, %(revision)s + n, %(vehicle_id)s",
                "select %(user_id)s, %(revision)s + 10 - n, %(vehicle_id)s",
                "the order of transitions",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/feed/plan_polling.py",
        tests=("tests/relay/usecases/feed/test_account_and_vehicles.py", "tests/relay/metering"),
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
