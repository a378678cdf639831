"""The feed: sequence numbers, snapshots, changes, replay, streams."""

from scripts.lib.mutation.tables import Pair, PairTable

FEED = ("tests/relay/usecases/feed/test_reader.py", "tests/relay/usecases/feed", "tests/relay/usecases/vehicles")

PAIRS = (
    PairTable(
        file="relay/usecases/feed/reader.py",
        tests=(
            "tests/relay/usecases/endpoints/test_over_limit_delivery.py",
            "tests/relay/usecases/feed/test_sequence_numbers.py",
            *FEED,
            "tests/relay/usecases/events/test_fetch_interventions.py",
            "tests/relay/usecases/commands",
        ),
        pairs=(
            Pair(
                "and o.link_state <> 'over_limit' and t.live",
                "and t.live",
                "transitions of a vehicle over the limit are sent",
            ),
            Pair(
                "and o.link_state <> 'over_limit' and t.live",
                "and o.link_state <> 'over_limit'",
                "transitions that a replay of the inbox adds are sent",
            ),
            Pair(
                "where v.user_id = f.user_id and v.gone_at is null)",
                "where v.user_id = f.user_id)",
                "a snapshot has unlinked vehicles",
            ),
            Pair(
                "and f.epoch = %(epoch)s and t.seq > %(seq)s",
                "and t.seq > %(seq)s",
                "transitions are replayed for another epoch",
            ),
            Pair(
                "and t.seq > %(seq)s and f.seq >= %(seq)s",
                "and t.seq >= %(seq)s and f.seq >= %(seq)s",
                "the last transition is replayed again",
            ),
            Pair("order by t.seq desc limit {MAX", "order by t.seq limit {MAX", "the oldest transitions are replayed"),
            Pair(
                "MAX_REPLAYED_TRANSITIONS + 1}",
                "MAX_REPLAYED_TRANSITIONS}",
                "a gap of exactly one transition isn't reported",
            ),
            Pair(
                "order by item.transition is not null, item.seq",
                "order by item.seq desc",
                "a snapshot has the wrong order",
            ),
            Pair(
                "f.seq <> client.seq and not {DELIVERY_PAUSED}",
                "f.seq <> client.seq",
                "changes are sent while delivery is paused",
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
                "vehicles are sent before all transitions",
            ),
            Pair(
                "order by requested_at desc, id limit 1",
                "order by requested_at, id limit 1",
                "a vehicle shows its oldest command",
            ),
            Pair(
                "order by n.id, n.language = u.language desc",
                "order by n.id, n.language = u.language",
                "interventions are in English although they are translated",
            ),
            Pair(
                "n.language in (u.language, 'en-US')",
                "n.language = u.language",
                "interventions are missing until they are translated",
            ),
            Pair(
                "order by item.transition is not null, item.seq",
                "order by item.transition is not null, item.seq::text",
                "sequence numbers in a snapshot are compared as text: 9 and 10",
            ),
            Pair(
                "order by f.user_id, item.seq, item.transition is null",
                "order by f.user_id, item.seq::text, item.transition is null",
                "sequence numbers of changes are compared as text: 9 and 10",
            ),
        ),
    ),
    PairTable(
        file="relay/feed/sequence.py",
        tests=(
            "tests/relay/usecases/feed",
            "tests/relay/usecases/events",
        ),
        pairs=(
            Pair(
                "set seq = seq + %s where",
                "set seq = seq + 2 * %s where",
                "sequence numbers have gaps",
                "a client compares sequence numbers, it doesn't count them",
            ),
        ),
    ),
    PairTable(
        file="relay/feed/cursor.py",
        tests=(
            "tests/relay/feed/test_cursor.py",
            "tests/relay/feed",
            *FEED,
        ),
        pairs=(
            Pair(
                "REPLAY_WINDOW = timedelta(hours=24)",
                "REPLAY_WINDOW = timedelta(hours=23)",
                "transitions are replayed for less than a day",
            ),
            Pair(
                "MAX_REPLAYED_TRANSITIONS = 1000", "MAX_REPLAYED_TRANSITIONS = 999", "too few transitions are replayed"
            ),
            Pair(
                "REPLAY_WINDOW = timedelta(hours=24)",
                "REPLAY_WINDOW = timedelta(hours=25)",
                "transitions are replayed for longer than promised",
            ),
            Pair(
                "MAX_REPLAYED_TRANSITIONS = 1000",
                "MAX_REPLAYED_TRANSITIONS = 1001",
                "too many transitions are replayed",
            ),
        ),
    ),
    PairTable(
        file="relay/feed/delivery_switch.py",
        tests=(
            "tests/relay/usecases/feed",
            "tests/relay/usecases/endpoints",
            "tests/relay/cli",
        ),
        pairs=(Pair(" and value = 'true')", ")", "delivery stays paused after it is resumed"),),
    ),
    PairTable(
        file="relay/usecases/feed/record_change.py",
        tests=(
            "tests/relay/usecases/events",
            "tests/relay/usecases/feed",
        ),
        pairs=(
            Pair(
                "on conflict (vehicle_id, source_event_id, kind) do nothing",
                "on conflict (vehicle_id, source_event_id, kind) do update set live = excluded.live",
                "a replayed event sends its transition again",
            ),
            Pair(
                "select %(user_id)s, %(revision)s + n, %(vehicle_id)s",
                "select %(user_id)s, %(revision)s + 10 - n, %(vehicle_id)s",
                "transitions of one event come in the wrong order",
            ),
        ),
    ),
    PairTable(
        file="relay/streams/listener.py",
        tests=("tests/relay/streams/test_listener.py",),
        pairs=(
            Pair(
                "if seq > self._cursor.seq and",
                "if str(seq) > str(self._cursor.seq) and",
                "sequence numbers in a stream are compared as text: 9 and 10",
            ),
            Pair(
                "            self.end()\n            return False",
                "            return False",
                "a stream that is too slow isn't ended",
            ),
            Pair("            self._ready.clear()\n", "            pass\n", "the stream ends after its first events"),
        ),
    ),
    PairTable(
        file="relay/streams/hub.py",
        tests=("tests/relay/streams/test_listener.py",),
        pairs=(
            Pair(
                "min(listener.cursor.seq for listener",
                "min(str(listener.cursor.seq) for listener",
                "the sequence numbers of several streams are compared as text: 9 and 10",
            ),
        ),
    ),
)
