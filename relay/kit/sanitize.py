"""Text of strangers that is shown to somebody: on a page, in a terminal, in Home Assistant."""

import unicodedata


def sanitize_line(text: str) -> str:
    """The text as one line without anything invisible; empty when nothing else is in it."""
    # Control, format (direction overrides, zero widths) and unassigned characters make a text look like another one.
    visible = "".join(" " if it.isspace() else it for it in text if it.isspace() or unicodedata.category(it)[0] != "C")
    return " ".join(unicodedata.normalize("NFC", visible).split())


def strip_nul(text: str) -> str:
    """The text without NUL, the one character that PostgreSQL accepts in no text."""
    return text.replace("\0", "")
