"""The parser of server-sent events follows the WHATWG rules, whatever the size of the chunks."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.evconduit.client.sse import (
    MAX_EVENT_SIZE,
    MAX_MESSAGE_SIZE,
    EventParser,
    EventTooLongError,
    ServerSentEvent,
)

LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
WORD = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
EVENT = st.tuples(WORD.map(str.lstrip).filter(bool), st.lists(LINE, min_size=1, max_size=3), st.none() | WORD)
END = st.sampled_from(["\n", "\r", "\r\n"])
PLACES = st.lists(st.integers(0, 10_000), max_size=30)
# Put together at random, these give complete, incomplete and malformed fields in any order.
FRAGMENTS = st.sampled_from(
    [
        *("data", "data:", "data: ", "event: ", "event", "id: ", "id:", "id", "retry: 5", "Data: ", " data: "),
        *("\n", "\n", "\n\n", "\r", "\r\r", "\r\n", "\r\n\r\n", ":", ": ", " ", "\0", "\ufeff", "x", "7", "é", "\x85"),
    ]
)


def parse(*chunks: bytes) -> list[ServerSentEvent]:
    parser = EventParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


def parse_with_limit(*chunks: bytes) -> None:
    parser = EventParser(max_size=100)
    for chunk in chunks:
        list(parser.feed(chunk))


def parse_whole_text(text: str) -> list[ServerSentEvent]:
    """Parse as the standard describes it, line by line and with the whole text at hand."""
    *lines, _unfinished = re.split("\r\n|\r|\n", text.removeprefix("\ufeff"))
    events, data, name, last_id = [], None, "", ""
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data is not None:
                event = ServerSentEvent(event=name or "message", data=data.removesuffix("\n"), id=last_id or None)
                events.append(event)
            data, name = None, ""
        elif field == "data":
            data = (data or "") + value + "\n"
        elif field == "event":
            name = value
        elif field == "id" and "\0" not in value:
            last_id = value
    return events


def split_bytes(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def split_into_single_bytes(data: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in data]


@given(st.lists(st.tuples(EVENT, END, st.booleans()), max_size=5), PLACES)
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
    assert parse(*split_into_single_bytes(data)) == expected


@given(st.lists(FRAGMENTS, max_size=30).map("".join), PLACES)
def test_any_text_gives_the_events_of_the_standard(text, places):
    expected = parse_whole_text(text)
    data = text.encode()
    assert parse(data) == expected
    assert parse(*split_bytes(data, places)) == expected
    assert parse(*split_into_single_bytes(data)) == expected


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param("data: a\n\n", [("message", "a", None)], id="no name"),
        pytest.param(
            "data:a\ndata\ndata:  b\n\n", [("message", "a\n\n b", None)], id="one space after the colon is removed"
        ),
        pytest.param("data: a \n\n", [("message", "a ", None)], id="a space at the end stays"),
        pytest.param("data: aXX\n\n", [("message", "aXX", None)], id="a value ends with its line"),
        pytest.param("data: a:b: c\n\n", [("message", "a:b: c", None)], id="only the first colon ends the name"),
        pytest.param("data\n\n", [("message", "", None)], id="an empty line of data"),
        pytest.param("data\ndata\n\n", [("message", "\n", None)], id="two empty lines of data"),
        pytest.param("event: x\n\ndata: a\n\n", [("message", "a", None)], id="an event without data is dropped"),
        pytest.param("event: x\nevent: y\ndata: a\n\n", [("y", "a", None)], id="the last name counts"),
        pytest.param("event: x\nevent\ndata: a\n\n", [("message", "a", None)], id="an empty name resets it"),
        pytest.param(
            "event: x\ndata: a\n\ndata: b\n\n",
            [("x", "a", None), ("message", "b", None)],
            id="a name ends with its event",
        ),
        pytest.param("data: a\n\n\n\n", [("message", "a", None)], id="further empty lines give no event"),
        pytest.param("id: 1\n\ndata: a\n\n", [("message", "a", "1")], id="an id stays"),
        pytest.param("data: a\n\nid: 1\ndata: b\n\n", [("message", "a", None), ("message", "b", "1")], id="a late id"),
        pytest.param("id: 1\nid: 2\0\ndata: a\n\n", [("message", "a", "1")], id="an id with NUL is ignored"),
        pytest.param("id: 1\nid\ndata: a\n\n", [("message", "a", None)], id="an empty id resets it"),
        pytest.param("\ufeffdata: a\n\n", [("message", "a", None)], id="a byte order mark"),
        pytest.param("\ufeff\ufeffdata: a\n\n", [], id="a second byte order mark is part of the name"),
        pytest.param("data: a\n\n\ufeffdata: b\n\n", [("message", "a", None)], id="a later byte order mark too"),
        pytest.param("\n\ufeffdata: a\n\n", [], id="a byte order mark after an empty line too"),
        pytest.param("data: \ufeffa\n\n", [("message", "\ufeffa", None)], id="a byte order mark in a value stays"),
        pytest.param("retry: 1\nfuture: x\ndata: a\n\n", [("message", "a", None)], id="unknown fields"),
        pytest.param("Data: b\n data: b\ndata : b\ndata: a\n\n", [("message", "a", None)], id="similar names"),
        pytest.param("data: a\n", [], id="unfinished"),
        pytest.param("data: a\n\ndata: b", [("message", "a", None)], id="unfinished line"),
        pytest.param(":\n\n:\n\n", [], id="heartbeats"),
        pytest.param("data: a\r\rdata: b\r\n\r\ndata: c\n\n", [("message", x, None) for x in "abc"], id="line ends"),
        pytest.param("data: a\r\n\ndata: b\n\r\n", [("message", "a", None), ("message", "b", None)], id="mixed ends"),
        pytest.param("data: a\x85b\u2028c\v\n\n", [("message", "a\x85b\u2028c\v", None)], id="no line ends"),
    ],
)
def test_parser_follows_the_standard(stream, expected):
    events = parse(stream.encode())
    assert [(event.event, event.data, event.id) for event in events] == expected
    assert parse_whole_text(stream) == parse(*split_into_single_bytes(stream.encode())) == events


def test_event_is_complete_with_the_cr_that_ends_its_empty_line():
    """A parser that waited for the LF of a CR LF would deliver each event only with the next one."""
    parser = EventParser()
    assert [event.data for event in parser.feed(b"data: a\r\n\r")] == ["a"]
    assert list(parser.feed(b"")) == []
    assert list(parser.feed(b"\n")) == []
    assert [event.data for event in parser.feed(b"data: b\n\n")] == ["b"]


def test_cr_lf_can_be_split_by_an_empty_chunk():
    assert [event.data for event in parse(b"data: a\r", b"", b"\n", b"data: b\n\n")] == ["a\nb"]


def test_invalid_utf8_is_replaced():
    assert [event.data for event in parse(b"data: \xff\n\ndata: b\n\n")] == ["\ufffd", "b"]


def test_character_can_be_split_over_chunks():
    assert [event.data for event in parse(b"data: \xc3", b"\xa9\n\n")] == ["é"]


@pytest.mark.parametrize("piece", [b"x" * 1000, b"data: " + b"x" * 1000 + b"\n"], ids=["a line", "an event"])
def test_too_long_event_raises(piece):
    parser = EventParser(max_size=10_000)
    for _ in range(9):
        assert list(parser.feed(piece)) == []
    with pytest.raises(EventTooLongError):
        list(parser.feed(piece * 2))


@pytest.mark.parametrize(
    ("longest", "too_long"),
    [
        pytest.param(b"x" * 100, b"x" * 101, id="a line without end"),
        pytest.param(b"data:" + b"x" * 99 + b"\n", b"data:" + b"x" * 100 + b"\n", id="a line of data"),
        pytest.param(
            (b"data:" + b"x" * 49 + b"\n") * 2, (b"data:" + b"x" * 49 + b"\n") * 3, id="an event of many lines"
        ),
        pytest.param(b"data:" + b"x" * 89 + b"\ndata:12345", b"data:" + b"x" * 89 + b"\ndata:123456", id="both"),
        pytest.param(b"data\n" * 100, b"data\n" * 101, id="empty lines of data"),
        pytest.param(
            b"data:a\n\ndata:" + b"x" * 99 + b"\n", b"data:a\n\ndata:" + b"x" * 100 + b"\n", id="the second event"
        ),
    ],
)
def test_event_size_is_limited(longest, too_long):
    """The size of an event: its lines of data with their ends, and the line that is not complete yet."""
    parse_with_limit(longest)
    with pytest.raises(EventTooLongError, match=r"^more than 100 bytes$"):
        parse_with_limit(too_long)


def test_size_of_a_line_in_many_chunks_is_limited():
    parse_with_limit(*split_into_single_bytes(b"x" * 100))
    with pytest.raises(EventTooLongError, match=r"^more than 100 bytes$"):
        parse_with_limit(*split_into_single_bytes(b"x" * 101))


def test_many_short_events_do_not_raise():
    parser = EventParser(max_size=100)
    assert len(list(parser.feed(b"data: 0123456789\n\n" * 1000))) == 1000


def test_longest_line_of_the_relay_is_accepted():
    """The relay sends lines of data of up to 256 KiB."""
    line = b"x" * 256 * 1024
    (event,) = parse(b"data: ", line, b"\n\n")
    assert event.data.encode() == line


def test_default_limit_is_512_kib():
    assert MAX_EVENT_SIZE == 512 * 1024
    with pytest.raises(EventTooLongError):
        parse(b"data:" + b"x" * 512 * 1024 + b"\n\n")


def test_event_of_many_long_lines_is_parsed():
    """A snapshot of hundreds of cars, which the relay sends in lines of 256 KiB."""
    lines = [str(number) * 256 * 1024 for number in range(9)]
    chunk = "".join(f"data: {line}\n" for line in lines).encode()
    [event] = EventParser(MAX_MESSAGE_SIZE, MAX_EVENT_SIZE).feed(chunk + b"\n")
    assert event.data.split("\n") == lines
    for too_long in (b"x" * MAX_EVENT_SIZE, b"x" * MAX_EVENT_SIZE + b"\n"):
        with pytest.raises(EventTooLongError):
            list(EventParser(MAX_MESSAGE_SIZE, MAX_EVENT_SIZE).feed(b"data:" + too_long))
