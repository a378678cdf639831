"""Change what Enode observed of a day, as faults of cars and vendors do. The physics stay as they were.

Each function returns the changed polls, or None if the day has no place for the change.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from random import Random

from demo.enode.problems import Json
from tests.oracle.activities import HOUR, MINUTE
from tests.oracle.days import Day, Poll

MAX_FLICKER = 10 * MINUTE
MIN_LEVEL_ERROR = 15
MAX_PARKED_KW = 15.0
MAX_DRIVING_KW = 250.0  # of a car or truck over minutes
MIN_SWAP_GAIN = 20
UNPLUGGED = {"isPluggedIn": False, "isCharging": False, "isFullyCharged": False, "powerDeliveryState": "UNPLUGGED"}

type Matches = Callable[[Poll], bool]
type Change = Callable[[Random, Poll], Poll]


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulted:
    """The polls with the fault, and the indexes of those that have it."""

    polls: list[Poll]
    indexes: frozenset[int]


def edit(
    poll: Poll, *, stamps: dict[str, float] | None = None, created_at: float | None = None, **groups: Json
) -> Poll:
    """The poll with other members in these groups of its view, and other times."""
    view = {**poll.view, **{name: {**poll.view[name], **members} for name, members in groups.items()}}
    return replace(poll, view=view, stamps={**poll.stamps, **(stamps or {})}, created_at=created_at)


def get_charge(poll: Poll) -> Json:
    return poll.view["chargeState"]


def is_charging(poll: Poll) -> bool:
    return get_charge(poll)["isCharging"] is True


def is_plugged_in(poll: Poll) -> bool:
    return get_charge(poll)["isPluggedIn"] is True


def is_at_rest(poll: Poll) -> bool:
    return poll.reachable and get_charge(poll)["powerDeliveryState"].endswith(("UNPLUGGED", "STOPPED", "COMPLETE"))


def is_reachable(poll: Poll) -> bool:
    return poll.reachable


def is_parked_unplugged(poll: Poll) -> bool:
    return poll.reachable and get_charge(poll)["powerDeliveryState"] == "UNPLUGGED"


def is_stopped(poll: Poll) -> bool:
    return poll.reachable and get_charge(poll)["powerDeliveryState"] in {"PLUGGED_IN:STOPPED", "PLUGGED_IN:COMPLETE"}


def is_discharging(poll: Poll) -> bool:
    return get_charge(poll)["powerDeliveryState"] == "PLUGGED_IN:DISCHARGING"


def find_stretches(day: Day, matches: Matches, *, moving: bool | None = False) -> list[list[int]]:
    """Runs of polls that match, without their first and last one. `moving` False: of a car that stays where it is."""
    polls, stretches = day.polls, []
    for found, run in groupby(range(len(polls)), key=lambda index: matches(polls[index])):
        if not found:
            continue
        part: list[int] = []
        for index in run:
            if part and moving is False and day.intervals[index - 1].was_moved:
                stretches.append(part)
                part = []
            part.append(index)
        stretches.append(part)
    return [stretch[1:-1] for stretch in stretches if len(stretch) > 2]


def choose_run(random: Random, day: Day, stretches: Sequence[list[int]], seconds: float) -> list[int] | None:
    """Indexes of successive polls in one of the stretches: one if `seconds` is 0, else about as long as that."""
    fitting = [run for run in stretches if day.polls[run[-1]].at - day.polls[run[0]].at >= seconds]
    if not fitting:
        return None
    stretch = random.choice(fitting)
    last_start = max(index for index in stretch if day.polls[stretch[-1]].at - day.polls[index].at >= seconds)
    first = random.choice([index for index in stretch if index <= last_start])
    return [index for index in stretch if 0 <= day.polls[index].at - day.polls[first].at <= seconds]


def apply_edits(day: Day, edits: dict[int, Poll]) -> Faulted:
    polls = [edits.get(index, poll) for index, poll in enumerate(day.polls)]
    return Faulted(polls=polls, indexes=frozenset(edits))


def apply_wrong_level(random: Random, day: Day, *, value: str, hours: bool, plugged: bool) -> Faulted | None:
    """A parked car that neither charges nor discharges reports another level, for one reading or for hours."""
    stretches = find_stretches(day, lambda poll: is_at_rest(poll) and is_plugged_in(poll) is plugged)
    run = choose_run(random, day, stretches, random.uniform(0.8, 5) * HOUR if hours else 0.0)
    if run is None:
        return None
    true_level = get_charge(day.polls[run[0]])["batteryLevel"]
    level = choose_level(random, true_level, value)
    if level is None or (level < true_level and not _is_fall_impossible(day, run[0], true_level - level)):
        return None
    scale = level / true_level if true_level else 1.0
    follows = random.random() < 0.5
    edits = {}
    for index in run:
        told_range = get_charge(day.polls[index])["range"]
        new_range = int(told_range * scale) if follows and told_range is not None else told_range
        edits[index] = edit(day.polls[index], chargeState={"batteryLevel": level, "range": new_range})
    return apply_edits(day, edits)


def _is_fall_impossible(day: Day, index: int, points: float) -> bool:
    """Whether a parked car can't have lost so much since it was last reported (issue 12: faster than 15 kW)."""
    before = day.polls[index - 1]
    reported_at = before.at
    for poll in reversed(day.polls[:index]):
        if poll.view != before.view:
            break
        reported_at = poll.at
    kwh = (points - day.profile.step) * day.profile.spec.battery_kwh / 100
    return kwh > MAX_PARKED_KW * (day.polls[index].at - reported_at) / HOUR


def choose_level(random: Random, true_level: float, value: str) -> float | None:
    """A wrong level: 0, a lower or a higher one. None if the true level leaves no room."""
    if value == "zero":
        return 0 if true_level >= MIN_LEVEL_ERROR else None
    if value == "lower":
        return random.randint(1, int(true_level) - MIN_LEVEL_ERROR) if true_level > MIN_LEVEL_ERROR + 1 else None
    highest = 100 - MIN_LEVEL_ERROR
    return random.randint(int(true_level) + MIN_LEVEL_ERROR, 100) if true_level < highest else None


def apply_zero_level_while(random: Random, day: Day, *, driving: bool) -> Faulted | None:
    """A driving or charging car reports 0 once."""
    hours = day.profile.reporting.poll_idle / HOUR
    least = MAX_DRIVING_KW * hours / day.profile.spec.battery_kwh * 100 if driving else MIN_LEVEL_ERROR
    if driving:
        indexes = [
            index
            for index in range(1, len(day.polls) - 1)
            if day.intervals[index - 1].was_moved and day.intervals[index].was_moved and day.polls[index].reachable
        ]
    else:
        indexes = [index for run in find_stretches(day, is_charging) for index in run]
    indexes = [index for index in indexes if get_charge(day.polls[index])["batteryLevel"] >= least]
    if not indexes:
        return None
    index = random.choice(indexes)
    return apply_edits(day, {index: edit(day.polls[index], chargeState={"batteryLevel": 0, "range": 0})})


def apply_to_some(
    random: Random,
    day: Day,
    *,
    matches: Matches,
    change: Change,
    seconds: float = 0.0,
    times: int = 1,
) -> Faulted | None:
    """Change one reading (or a run of `seconds`), `times` times, where the poll and those around it match."""
    stretches = find_stretches(day, matches, moving=None)
    edits = {}
    for _ in range(times):
        for index in choose_run(random, day, stretches, seconds) or ():
            edits[index] = change(random, day.polls[index])
    return apply_edits(day, edits) if edits else None


def apply_short_flicker(random: Random, day: Day, *, matches: Matches, change: Change) -> Faulted | None:
    """Change one reading between two others that match and are at most ten minutes apart."""
    indexes = [
        index
        for run in find_stretches(day, matches)
        for index in run
        if day.polls[index + 1].at - day.polls[index - 1].at <= MAX_FLICKER
    ]
    if not indexes:
        return None
    index = random.choice(indexes)
    return apply_edits(day, {index: change(random, day.polls[index])})


def apply_to_all(random: Random, day: Day, *, matches: Matches, change: Change) -> Faulted | None:
    """Change each poll that matches."""
    edits = {index: change(random, poll) for index, poll in enumerate(day.polls) if matches(poll)}
    return apply_edits(day, edits) if edits else None


def apply_stale_power(random: Random, day: Day) -> Faulted | None:
    """After a charge, rate and remaining time stay as they were."""
    edits, rate, minutes = {}, None, None
    for index, poll in enumerate(day.polls):
        if is_charging(poll):
            rate, minutes = get_charge(poll)["chargeRate"], get_charge(poll)["chargeTimeRemaining"]
        elif rate is not None:
            edits[index] = edit(poll, chargeState={"chargeRate": rate, "chargeTimeRemaining": minutes})
    return apply_edits(day, edits) if edits else None


def apply_from_on(random: Random, day: Day, *, matches: Matches, change: Change) -> Faulted | None:
    """Change all polls from a random one on."""
    indexes = [index for index, poll in enumerate(day.polls) if index > 0 and matches(poll)]
    if len(indexes) < 2:
        return None
    first = random.choice(indexes)
    return apply_edits(day, {index: change(random, day.polls[index]) for index in indexes if index >= first})


def apply_nulls_while_unreachable(random: Random, day: Day) -> Faulted | None:
    """A parked car becomes unreachable for hours, and its values null."""
    plugged = random.random() < 0.5
    stretches = find_stretches(day, lambda poll: is_at_rest(poll) and is_plugged_in(poll) is plugged)
    run = choose_run(random, day, stretches, random.uniform(0.5, 5) * HOUR)
    if run is None:
        return None
    edits = {}
    for index in run:
        poll = day.polls[index]
        nulls = {group: dict.fromkeys(poll.view[group]) for group in ("chargeState", "location", "odometer")}
        nulls["chargeState"]["powerDeliveryState"] = "UNKNOWN"
        changed = edit(poll, stamps={"nulls": 1.0}, **nulls)
        edits[index] = replace(changed, view={**changed.view, "isReachable": False}, reachable=False)
    return apply_edits(day, edits)


def apply_battery_swap(random: Random, day: Day) -> Faulted | None:
    """A parked car's battery is swapped for a fuller one: from then on its level is higher."""
    if day.profile.told_capacity is None:
        return None
    indexes = [
        index
        for run in find_stretches(day, is_parked_unplugged)
        for index in run
        if _get_highest_level(day, index) <= 100 - MIN_SWAP_GAIN
    ]
    if not indexes:
        return None
    first = random.choice(indexes)
    gain = random.randint(MIN_SWAP_GAIN, 100 - int(_get_highest_level(day, first)))
    edits = {}
    for index in range(first, len(day.polls)):
        charge = get_charge(day.polls[index])
        longer = None if charge["range"] is None else charge["range"] + 4 * gain
        edits[index] = edit(
            day.polls[index], chargeState={"batteryLevel": charge["batteryLevel"] + gain, "range": longer}
        )
    return apply_edits(day, edits)


def _get_highest_level(day: Day, first: int) -> float:
    return max(get_charge(poll)["batteryLevel"] for poll in day.polls[first:]) + day.profile.step


def apply_unplugged_when_full(random: Random, day: Day, *, charger: str | None) -> Faulted | None:
    """A complete car reports UNPLUGGED; the charger is known to Enode, or isn't."""
    edits = {}
    for index, poll in enumerate(day.polls):
        if is_plugged_in(poll):
            state = UNPLUGGED if get_charge(poll)["powerDeliveryState"] == "PLUGGED_IN:COMPLETE" else {}
            edits[index] = edit(poll, chargeState={**state, "pluggedInChargerId": charger})
    return apply_edits(day, edits) if edits else None


def tells_power(poll: Poll) -> bool:
    return get_charge(poll)["chargeRate"] is not None


def tells_odometer(poll: Poll) -> bool:
    return poll.reachable and poll.view["odometer"]["distance"] is not None


def tells_place(poll: Poll) -> bool:
    return poll.reachable and poll.view["location"]["latitude"] is not None
