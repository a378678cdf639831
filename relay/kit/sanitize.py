"""Untrusted text made safe to show on a page, in a terminal or in Home Assistant, or to store."""

import unicodedata


def sanitize_line(text: str) -> str:
    """Return the text as one line of visible characters, NFC-normalized; empty if it has none."""
    # Control, format (direction overrides, zero widths) and unassigned characters can make a text look like another.
    visible = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join(unicodedata.normalize("NFC", visible).split())


def strip_nul(text: str) -> str:
    """Return the text without NUL, the one character that PostgreSQL never accepts in text."""
    return text.replace("\0", "")
