"""The scripts that pages may load: files of the relay, never inline."""

import re

OWN_SCRIPT = re.compile(r'<script src="/static/(?:[a-z-]+/)?[a-z-]+\.js" defer></script>')


def remove_own_scripts(text):
    """The page without the tags of the relay's own scripts."""
    return OWN_SCRIPT.sub("", text)
