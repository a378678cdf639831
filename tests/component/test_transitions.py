"""Which transitions and outcomes reach the event entities, as a rule without Home Assistant."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.evconduit.client import Command, CommandKind, CommandReason, CommandState, Transition
from custom_components.evconduit.transitions import MAX_AGE, MAX_HELD, MAX_REPORTED, HeldEvents, VehicleEvents

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def make_transition(age: timedelta) -> Transition:
    return Transition(
        vehicle_id="v", type="plugged_in", occurred_at=None, replayed=False, recorded_at=NOW - age, command=None
    )


def make_command(id_: str, state: CommandState) -> Command:
    reason = CommandReason(type=None, detail=None)
    return Command(id=id_, kind=CommandKind.START, state=state, reason=reason, requested_at=None)


@pytest.mark.parametrize(("age", "expected"), [(MAX_AGE - MICROSECOND, 1), (MAX_AGE, 0), (-MAX_AGE, 1)])
def test_transition_is_sent_until_it_is_as_old_as_the_maximum(age: timedelta, expected: int):
    events, sent = VehicleEvents(lambda _: None), []
    events.transitions.async_add_listener(sent.append)
    events.async_handle_transition(make_transition(age), NOW, None)
    assert len(sent) == expected


def test_each_outcome_of_each_command_is_reported_once():
    reported: list[Command] = []
    events = VehicleEvents(reported.append)
    first, second = make_command("1", CommandState.UNKNOWN), make_command("2", CommandState.FAILED)
    known_later = make_command("1", CommandState.CONFIRMED)
    for command in (first, second, first, known_later, second, make_command("3", CommandState.PENDING)):
        events.async_report_outcome(command)
    assert reported == [first, second, known_later]


def test_only_the_newest_events_are_held_for_a_later_listener():
    held, sent = HeldEvents[int](), []
    for number in range(MAX_HELD + 3):
        held.async_send(number)
    remove = held.async_add_listener(sent.append)
    assert sent == list(range(3, MAX_HELD + 3))
    remove()
    held.async_send(100)
    held.async_add_listener(sent.append)
    assert sent[-1] == 100


def test_old_outcomes_are_forgotten():
    reported: list[Command] = []
    events = VehicleEvents(reported.append)
    commands = [make_command(str(number), CommandState.FAILED) for number in range(MAX_REPORTED + 1)]
    for command in commands:
        events.async_report_outcome(command)
    events.async_report_outcome(commands[-1])
    assert reported == commands
    events.async_report_outcome(commands[0])
    assert len(reported) == len(commands) + 1
