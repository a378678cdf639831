from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.evconduit.client.sse import EventParser, EventTooLongError, ServerSentEvent

LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
WORD = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
EVENT = st.tuples(WORD.map(str.lstrip).filter(bool), st.lists(LINE, min_size=1, max_size=3), st.none() | WORD)
END = st.sampled_from(["\n", "\r", "\r\n"])


def parse(*chunks: bytes) -> list[ServerSentEvent]:
    parser = EventParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


def split_bytes(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(st.lists(st.tuples(EVENT, END, st.booleans()), max_size=5), st.lists(st.integers(0, 10_000), max_size=30))
def test_events_are_parsed_from_chunks_of_any_size(events, places):
    text, expected, last = "", [], None
    for (name, lines, id_), end, comment in events:
        fields = [": heartbeat"] * comment + [f"event: {name}", *(f"data: {line}" for line in lines)]
        if id_ is not None:
            fields.insert(1, f"id: {id_}")
            last = id_
        text += end.join([*fields, "", ""])
        expected.append(ServerSentEvent(event=name, data="\n".join(lines), id=last))
    data = text.encode()
    assert parse(*split_bytes(data, places)) == expected
    assert parse(*(bytes([byte]) for byte in data)) == expected


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param("data: a\n\n", [("message", "a", None)], id="no name"),
        pytest.param(
            "data:a\ndata\ndata:  b\n\n", [("message", "a\n\n b", None)], id="one space after the colon is removed"
        ),
        pytest.param("event: x\n\ndata: a\n\n", [("message", "a", None)], id="an event without data is dropped"),
        pytest.param("id: 1\n\ndata: a\n\n", [("message", "a", "1")], id="an id stays"),
        pytest.param("id: 1\nid: 2\0\ndata: a\n\n", [("message", "a", "1")], id="an id with NUL is ignored"),
        pytest.param("id: 1\nid\ndata: a\n\n", [("message", "a", None)], id="an empty id resets it"),
        pytest.param("\ufeffdata: a\n\n", [("message", "a", None)], id="a byte order mark"),
        pytest.param("retry: 1\nfuture: x\ndata: a\n\n", [("message", "a", None)], id="unknown fields"),
        pytest.param("data: a\n", [], id="unfinished"),
        pytest.param(":\n\n:\n\n", [], id="heartbeats"),
    ],
)
def test_parser_follows_the_standard(stream, expected):
    events = parse(stream.encode())
    assert [(event.event, event.data, event.id) for event in events] == expected


def test_invalid_utf8_is_replaced():
    assert [event.data for event in parse(b"data: \xff\n\ndata: b\n\n")] == ["\ufffd", "b"]


@pytest.mark.parametrize("piece", [b"x" * 1000, b"data: " + b"x" * 1000 + b"\n"], ids=["a line", "an event"])
def test_too_long_event_raises(piece):
    parser = EventParser(max_size=10_000)
    for _ in range(9):
        assert list(parser.feed(piece)) == []
    with pytest.raises(EventTooLongError):
        list(parser.feed(piece * 2))


def test_many_short_events_do_not_raise():
    parser = EventParser(max_size=100)
    assert len(list(parser.feed(b"data: 0123456789\n\n" * 1000))) == 1000
