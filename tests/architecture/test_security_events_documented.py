"""Every security event is documented, and no other: operators' alerts rely on the names."""

import re

from relay.kit.security_events import SecurityEvent
from tests.architecture.tree import list_files, read_text

DOCUMENT = "docs/operating.md"
SECTION = re.compile(r"^### Get alerted to security events$(.*?)^##", re.MULTILINE | re.DOTALL)


def list_documented_events() -> list[str]:
    """The names in the first column of the section's table."""
    [section] = SECTION.findall("".join(read_text(path) or "" for path in list_files(DOCUMENT)))
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_the_documented_security_events_are_those_of_the_table():
    assert list_documented_events() == [event.value for event in SecurityEvent]


def test_every_security_event_is_logged_somewhere():
    code = "".join(read_text(path) or "" for path in list_files("relay/*.py"))
    assert [event.name for event in SecurityEvent if f"SecurityEvent.{event.name}" not in code] == []


def test_security_events_are_logged_only_by_their_names_in_the_table():
    writers = [path.as_posix() for path in list_files("relay/*.py") if "security event=" in (read_text(path) or "")]
    assert writers == ["relay/kit/security_events.py"]
