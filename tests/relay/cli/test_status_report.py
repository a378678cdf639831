"""The lines of `evconduit status`."""

import json

import pytest

from relay.cli.status_report import describe_duration, render_status


def find_line(label, values, paused=()):
    text = render_status(values, paused, {"silent": "Nothing arrives."})
    [line] = [line for line in text.splitlines() if line.startswith(label + "  ")]
    return line.removeprefix(label).strip()


@pytest.mark.parametrize(
    ("label", "values", "line"),
    [
        ("Last from Enode", {}, "nothing yet"),
        ("Last from Enode", {"enode_heard_seconds": {"": 59.9}}, "59 seconds ago"),
        ("Enode's webhook", {}, "not used"),
        ("Enode's webhook", {"enode_webhook_state": {"silent": 1}}, "silent. Nothing arrives."),
        ("Enode's webhook", {"enode_webhook_state": {"new_state": 1}}, "new state."),
        ("Events", {}, "all processed"),
        (
            "Events",
            {"inbox_events": {"pending": 2}, "inbox_oldest_pending_seconds": {"": 59}},
            "2 waiting, the oldest for 59 seconds",
        ),
        (
            "Events",
            {"inbox_events": {"pending": 2, "set_aside": 1}, "inbox_oldest_pending_seconds": {"": 60}},
            (
                "2 waiting, the oldest for 1 minute; check that `evconduit serve` or `evconduit work` runs; "
                "1 set aside, see `evconduit inbox list`"
            ),
        ),
        ("Wrong signatures", {"signature_failures_last_hour": {"": 3}}, "3 in the last hour"),
        ("Deliveries", {}, "no webhook endpoints"),
        ("Deliveries", {"endpoints": {"on": 1}}, "1 endpoint: 1 delivering"),
        (
            "Deliveries",
            {
                "endpoints": {"failing": 2, "streaming": 1, "new": 1},
                "endpoints_oldest_undelivered_seconds": {"failing": 7200, "new": 1},
            },
            (
                "4 endpoints: 2 failing, and retried, 1 with an open stream instead, 1 new; "
                "the oldest change has been waiting for 2 hours"
            ),
        ),
        ("Commands", {"commands_open": {"": 0}}, "none waiting for an outcome"),
        ("Commands", {"commands_open": {"": 1}}, "1 waiting for an outcome"),
        ("Cars", {}, "0 linked"),
        (
            "Cars",
            {"vehicles": {"ok": 2, "broken": 1, "over_limit": 1}},
            (
                "4 linked; 1 must be linked again, because the sign-in at the maker no longer works; "
                "1 over the plan's limit"
            ),
        ),
        ("Paused", {}, "nothing"),
    ],
)
def test_each_part_is_one_line_that_says_what_to_do(label, values, line):
    assert find_line(label, values) == line


def test_paused_parts_are_named_with_the_command_that_resumes_them():
    line = find_line("Paused", {}, ["delivery", "commands"])
    assert line == (
        "delivery paused, resume with `evconduit resume delivery`; "
        "commands paused, resume with `evconduit resume commands`"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 seconds"),
        (1, "1 second"),
        (59.99, "59 seconds"),
        (60, "1 minute"),
        (3599, "59 minutes"),
        (3600, "1 hour"),
        (86_399, "23 hours"),
        (86_400, "1 day"),
        (200_000, "2 days"),
    ],
)
def test_duration_is_described_in_its_largest_unit(seconds, text):
    assert describe_duration(seconds) == text


def test_status_prints_no_names_of_metrics(operator):
    printed = operator.run_checked("status")
    assert [line.split("  ")[0] for line in printed.splitlines()] == [
        "Last from Enode",
        "Enode's webhook",
        "Events",
        "Wrong signatures",
        "Deliveries",
        "Commands",
        "Cars",
        "Paused",
    ]


def test_status_shows_paused_commands_until_they_are_resumed(operator):
    assert "commands paused" not in operator.run_checked("status")
    operator.run_checked("pause", "commands")
    assert "commands paused" in operator.run_checked("status")
    assert json.loads(operator.run_checked("status", "--json"))["paused"] == {"commands_paused": 1}
    operator.run_checked("resume", "commands")
    assert json.loads(operator.run_checked("status", "--json"))["paused"] == {}


@pytest.mark.parametrize(
    "arguments", [("pause", "everything"), ("inbox", "list", "--state", "lost"), ("inbox", "show", "9")]
)
def test_unknown_argument_is_refused_in_one_line(operator, arguments):
    result = operator.run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert len(result.stderr.strip().splitlines()) == 1
