"""The voice check finds the former dialect, says what to write instead, and accepts plain English."""

import pytest

from scripts.lib.voice import check_names, check_text


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("Enode is asked now and then.", "interval"),
        ("the loop runs for ever", "until cancelled"),
        ("The month begins anew.", "resets"),
        ("Whoever runs the relay gets a link.", "the operator"),
        ("Let it in", "allow"),
        ("The user is told of it, once.", "notified"),
        ("There is nobody of ours with this id.", "no user of this relay"),
        ("A relay of one's own has no limits.", "self-hosted"),
    ],
)
def test_old_wording_is_found_with_the_better_word(text, advice):
    findings = list(check_text("docs/example.md", f"A plain first line.\n{text}\n"))
    assert findings
    assert all(finding.line == 2 for finding in findings)
    assert any(advice in finding.better for finding in findings)
    assert findings[0].render().startswith("docs/example.md:2: ")


@pytest.mark.parametrize(
    "text",
    [
        "Wake-ups are sent at most every 20 ms.",
        "The relay polls Enode every 2 minutes.",
        "The endpoint is notified once.",
        "A forever-growing table is pruned daily.",
    ],
)
def test_plain_english_is_accepted(text):
    assert list(check_text("docs/example.md", text)) == []


@pytest.mark.parametrize(
    "source",
    [
        "def _known(): ...",
        "async def told(): ...",
        "class ClockWish: ...",
        "def hear_revoked(): ...",
        "def bury(): ...",
    ],
)
def test_old_names_are_found(source):
    assert len(list(check_names("relay/example.py", source))) == 1


def test_the_name_of_a_module_is_checked():
    assert [finding.line for finding in check_names("relay/become.py", "")] == [1]


@pytest.mark.parametrize(
    "source", ["def find_user(): ...", "class ListenerState: ...", "def test_wishes_are_kept(): ..."]
)
def test_plain_names_and_test_names_are_accepted(source):
    assert list(check_names("relay/example.py", source)) == []
