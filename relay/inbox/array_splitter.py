"""Split the text of a JSON array into the texts of its items, also where some of them are not JSON.

A JSON parser stops at the first error, so one bad item would cost all the others. This one only looks at brackets,
commas and strings, and leaves it to the caller to parse each item. Time and memory are linear in the size of the text,
whatever it contains: nothing is matched with backtracking, and each bracket is pushed and popped once. The expressions
match as much as they can at once, because a step of Python for each bracket would take seconds for a few megabytes.
"""

import re

# The possessive quantifiers keep no positions to backtrack to. An unterminated string matches up to the end.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_NO_BRACKETS = rb'(?:[^\[\]{}"]++|' + _STRING + rb")"


def _match_container(content: bytes) -> bytes:
    return rb"(?:\[" + content + rb"*+\]|\{" + content + rb"*+\})"


_FLAT = _match_container(_NO_BRACKETS)
_NESTED = _match_container(rb"(?:" + _NO_BRACKETS + rb"|" + _FLAT + rb")")
# Within an item: complete values; several opening or several closing brackets, with what follows each of them.
_COMPLETE = re.compile(rb"(?:" + _NO_BRACKETS + rb"|" + _NESTED + rb")*+", re.DOTALL)
_OPENING = re.compile(rb"(?:[\[{]" + _NO_BRACKETS + rb"*+)++", re.DOTALL)
_CLOSING = re.compile(rb"(?:[\]}]" + _NO_BRACKETS + rb"*+)++", re.DOTALL)
# Between the items: anything up to a comma, an opening bracket or the end of the array. A stray brace isn't one.
_OUTSIDE = re.compile(rb'(?:[^\[\]{}",]++|' + _STRING + rb"|\}++|" + _NESTED + rb")*+", re.DOTALL)
_STRING_OR_CLOSING = re.compile(_STRING + rb"|[\]}]", re.DOTALL)
_STRINGS = re.compile(_STRING, re.DOTALL)

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_TO_OPENING = bytes.maketrans(b"]}", b"[{")


def split_array(text: bytes, max_items: int) -> list[bytes] | None:
    """Return the texts of the items of a JSON array, without white space around them.

    None if the text doesn't begin like an array, or has more than `max_items`. The last item of a truncated text is
    incomplete. Text after the array's end is one more item. Empty items, as between two commas, are left out.
    """
    begin = len(text) - len(text.lstrip()) + 1
    if not text.startswith(b"[", begin - 1):
        return None
    items: list[bytes] = []
    position = begin
    while True:
        position = _find_end(_OUTSIDE, text, position)
        delimiter = text[position : position + 1]
        if delimiter in {b"[", b"{"}:
            position = _skip_container(text, position)
            continue
        items.append(text[begin:position].strip())
        begin = position = position + 1
        if delimiter != b",":
            break
        if len(items) > max_items:
            return None
    found = [item for item in (*items, text[begin:].strip()) if item]
    return found if len(found) <= max_items else None


class _OpenBrackets:
    """The brackets that are open within the current item, innermost last."""

    def __init__(self) -> None:
        self._stack = bytearray()
        self._counts = dict.fromkeys(b"[{", 0)

    def __bool__(self) -> bool:
        return bool(self._stack)

    def open(self, brackets: bytes) -> None:
        """Open these brackets."""
        self._stack += brackets
        for bracket in self._counts:
            self._counts[bracket] += brackets.count(bracket)

    def close_all(self, closing: bytes) -> bool:
        """Close with all of these brackets; False, without effect, if they don't match or close the outermost one."""
        expected = closing.translate(_TO_OPENING)[::-1]
        if len(expected) >= len(self._stack) or not self._stack.endswith(expected):
            return False
        self._truncate(len(self._stack) - len(expected))
        return True

    def close(self, closing: int) -> None:
        """Close with one bracket. One of the other kind closes what is open inside its own; a stray one is ignored."""
        opening = _TO_OPENING[closing]
        if self._counts[opening]:
            self._truncate(self._stack.rindex(opening))

    def _truncate(self, length: int) -> None:
        closed = self._stack[length:]
        del self._stack[length:]
        for bracket in self._counts:
            self._counts[bracket] -= closed.count(bracket)


def _skip_container(text: bytes, position: int) -> int:
    """Return the position after the array or object that begins at `position`, or the end of a truncated text."""
    brackets = _OpenBrackets()
    while position < len(text):
        if text[position] in b"[{":
            end = _find_end(_OPENING, text, position)
            brackets.open(_list_brackets(text[position:end]))
            position = end
        else:
            position = _close(text, position, brackets)
            if not brackets:
                return position
        position = _find_end(_COMPLETE, text, position)
    return len(text)


def _close(text: bytes, position: int, brackets: _OpenBrackets) -> int:
    """Close with the run of brackets at `position`; return its end, or the position after the outermost bracket."""
    end = _find_end(_CLOSING, text, position)
    if brackets.close_all(_list_brackets(text[position:end])):
        return end
    for token in _STRING_OR_CLOSING.finditer(text, position, end):
        if (character := text[token.start()]) in b"]}":
            brackets.close(character)
            if not brackets:
                return token.end()
    return end


def _list_brackets(text: bytes) -> bytes:
    """Return the brackets of the text, without those in strings."""
    return (_STRINGS.sub(b"", text) if b'"' in text else text).translate(None, _NOT_BRACKETS)


def _find_end(pattern: re.Pattern[bytes], text: bytes, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position
