"""Which recorded session a derived period continues, what is decided again for it, and how the counters change."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from relay.vehicles.charging.counters import EnergyCounters
from relay.vehicles.charging.derivation import Derivation, DerivationState
from relay.vehicles.charging.home import HomeLocation
from relay.vehicles.charging.ledger import ChargingLedger, SessionMatch, StartingPoint, amend_ledger, match_sessions
from relay.vehicles.charging.owner_corrections import OwnerCorrection
from relay.vehicles.charging.periods import ChargingPeriod
from relay.vehicles.charging.samples import UNKNOWN_PLACE, VehiclePlace
from relay.vehicles.charging.sessions import ChargingSession
from tests.relay.support.charging import at, charging

HERE = VehiclePlace(latitude=52.0, longitude=5.0, odometer_km=100.0)
HOME = HomeLocation(latitude=52.0, longitude=5.0, radius_m=500)


def make_period(start, end, kwh=5.0, **members):
    defaults = {"open": False, "charged": timedelta(minutes=end - start), "power_kwh": kwh, "peak_kw": 11.0}
    return ChargingPeriod(started_at=at(start), ended_at=at(end), **defaults | members)


def record(period, **members):
    return ChargingSession(id=uuid4(), period=period, **members)


@pytest.mark.parametrize(
    ("recorded", "derived", "matches"),
    [
        pytest.param([(0, 30)], [(0, 40)], [0], id="a session grows"),
        pytest.param([(10, 30)], [(0, 30)], [0], id="a session begins earlier"),
        pytest.param([(0, 30)], [(30, 40)], [0], id="a period touches the end"),
        pytest.param([(30, 40)], [(0, 30)], [0], id="a period touches the start"),
        pytest.param([(0, 30)], [(31, 40)], [None], id="a period after the session"),
        pytest.param([(31, 40)], [(0, 30)], [None], id="a period before the session"),
        pytest.param([(0, 30), (30, 40)], [(30, 40)], [1], id="an equal start wins over an overlap"),
        pytest.param([(0, 10), (20, 30)], [(0, 30)], [0], id="of two joined sessions the first one stays"),
        pytest.param([(0, 30)], [(0, 10), (20, 30)], [0, None], id="of two separated ones the first one keeps the id"),
        pytest.param([(0, 10), (20, 30)], [(0, 10), (20, 30)], [0, 1], id="nothing changes"),
        pytest.param([], [(0, 10)], [None], id="a new session"),
        pytest.param([(0, 10)], [], [], id="a session that was none"),
        pytest.param([(5, 5)], [(0, 10)], [0], id="a session of one moment"),
    ],
)
def test_period_continues_the_session_that_it_overlaps(recorded, derived, matches):
    sessions = [record(make_period(*span)) for span in recorded]
    found = match_sessions(sessions, [make_period(*span) for span in derived])
    expected = [None if index is None else sessions[index] for index in matches]
    assert [match.recorded for match in found] == expected
    assert [(match.period.started_at, match.period.ended_at) for match in found] == [
        (at(start), at(end)) for start, end in derived
    ]


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        pytest.param(HERE, HERE, False, id="the same place"),
        pytest.param(HERE, replace(HERE, odometer_km=200.0), False, id="another odometer"),
        pytest.param(HERE, replace(HERE, latitude=52.1), True, id="another latitude"),
        pytest.param(HERE, replace(HERE, longitude=5.1), True, id="another longitude"),
        pytest.param(UNKNOWN_PLACE, HERE, True, id="a place that was unknown"),
        pytest.param(UNKNOWN_PLACE, UNKNOWN_PLACE, False, id="an unknown place"),
        pytest.param(None, HERE, True, id="a new session"),
        pytest.param(None, UNKNOWN_PLACE, False, id="a new session at an unknown place"),
    ],
)
def test_session_has_moved_when_its_latitude_or_longitude_changed(before, after, moved):
    recorded = None if before is None else record(make_period(0, 30, place=before))
    assert SessionMatch(recorded=recorded, period=make_period(0, 30, place=after)).has_moved is moved


@pytest.mark.parametrize(
    ("place", "at_home"),
    [
        pytest.param(HERE, False, id="the same place keeps the decision, whatever home is now"),
        pytest.param(replace(HERE, latitude=52.001), True, id="another latitude is decided again"),
        pytest.param(replace(HERE, longitude=5.001), True, id="another longitude is decided again"),
        pytest.param(replace(HERE, longitude=5.1), False, id="the same latitude is not enough for home"),
        pytest.param(UNKNOWN_PLACE, None, id="an unknown place is decided again"),
    ],
)
def test_home_is_decided_once_for_a_place(place, at_home):
    recorded = record(make_period(0, 30, place=HERE), at_home=False)
    session = SessionMatch(recorded=recorded, period=make_period(0, 30, place=place)).to_session(HOME)
    assert (session.id, session.at_home) == (recorded.id, at_home)


@pytest.mark.parametrize(("place", "at_home"), [(HERE, True), (UNKNOWN_PLACE, None)])
def test_new_session_has_a_new_id_and_the_home_of_now(place, at_home):
    match = SessionMatch(recorded=None, period=make_period(0, 30, place=place))
    one, other = match.to_session(HOME), match.to_session(HOME)
    assert match.needs_home
    assert one.id != other.id
    assert (one.at_home, one.period) == (at_home, match.period)


def amend(counters, recorded, matches, home=HOME, *, period=None):
    state = DerivationState(last=charging(0, 40), period=period)
    start = StartingPoint(sessions=recorded, counters=counters)
    derivation = Derivation(state=state, periods=[match.period for match in matches])
    amendment = amend_ledger(start, matches, derivation, home)
    assert amendment.ledger.state is state
    return amendment


def test_amendment_writes_changed_sessions_and_removes_those_without_a_period():
    same, grown, joined = (record(make_period(start, start + 10), at_home=False) for start in (0, 20, 40))
    matches = [
        SessionMatch(recorded=same, period=same.period),
        SessionMatch(recorded=grown, period=make_period(20, 60, kwh=9.0)),
        SessionMatch(recorded=None, period=make_period(90, 95, kwh=1.0)),
    ]
    amendment = amend(EnergyCounters(counted_kwh=15.0, lifetime_kwh=15.0), [same, grown, joined], matches)
    assert [session.period for session in amendment.sessions] == [match.period for match in matches[1:]]
    assert amendment.sessions[0].id == grown.id
    assert amendment.removed_ids == (joined.id,)
    assert (amendment.ledger.counters.counted_kwh, amendment.ledger.counters.lifetime_kwh) == (15.0, 15.0)


def test_ledger_keeps_the_session_of_the_newest_period_while_that_is_proven():
    first, earlier, period = (make_period(start, start + 30) for start in (0, 60, 120))
    matches = match_sessions([], [first, earlier, period])
    assert amend(EnergyCounters(), [], matches, period=period).ledger.session.period is period
    assert amend(EnergyCounters(), [], matches, period=earlier).ledger.session is None
    assert amend(EnergyCounters(), [], matches, period=make_period(180, 210)).ledger.session is None
    assert amend(EnergyCounters(), [], [], period=None).ledger.session is None


HOME_SESSION = record(make_period(0, 30, kwh=4.0, place=HERE), at_home=True)


@pytest.mark.parametrize(
    ("counters", "kwh", "expected"),
    [
        pytest.param((4.0, 4.0, 4.0, 4.0), 6.0, (6.0, 6.0, 6.0, 6.0), id="more energy"),
        pytest.param((4.0, 4.0, 4.0, 4.0), 3.0, (3.0, 3.0, 4.0, 4.0), id="less energy is not shown"),
        pytest.param((4.0, 4.0, 9.0, 8.0), 6.0, (6.0, 6.0, 9.0, 8.0), id="a correction is absorbed"),
        pytest.param((14.0, 4.0, 14.0, 4.0), 6.0, (16.0, 6.0, 16.0, 6.0), id="energy of other sessions stays"),
        pytest.param((4.0, 4.0, 4.0, 4.0), None, (0.0, 0.0, 4.0, 4.0), id="energy that became unknown"),
        pytest.param((4.0, 0.0, 4.0, None), 6.0, (6.0, 2.0, 6.0, 2.0), id="the home counter starts with the session"),
    ],
)
def test_counters_change_by_the_difference_and_never_show_less(counters, kwh, expected):
    names = "counted_kwh", "counted_home_kwh", "lifetime_kwh", "home_kwh"
    matches = [SessionMatch(recorded=HOME_SESSION, period=make_period(0, 30, kwh=kwh, place=HERE))]
    before = EnergyCounters(**dict(zip(names, counters, strict=True)))
    after = amend(before, [HOME_SESSION], matches).ledger.counters
    assert tuple(getattr(after, name) for name in names) == expected


def correction(start, end, kwh=None, *, deleted=False):
    return OwnerCorrection(started_at=at(start), ended_at=at(end), energy_kwh=kwh, deleted=deleted)


@pytest.mark.parametrize(
    ("corrections", "energy"),
    [
        ((), 6.0),
        ((correction(0, 30, 2.5),), 2.5),
        ((correction(0, 30, 0.0),), 0.0),
        ((correction(0, 30, deleted=True),), None),
        ((correction(0, 30, 2.5, deleted=True),), None),
    ],
)
@pytest.mark.parametrize("stored", [True, False])
def test_correction_by_the_owner_outlasts_an_amendment_and_counts(corrections, energy, stored):
    recorded = record(make_period(0, 30, kwh=4.0, place=HERE), at_home=True, corrections=corrections)
    before = recorded.energy_kwh or 0.0
    period = make_period(0, 40, kwh=6.0, place=HERE)
    # The newest sample continues the recorded session's corrections; a late one reads them all.
    matches = match_sessions([recorded], [period], [correction(90, 99, 1.0), *corrections] if stored else None)
    amendment = amend(EnergyCounters(counted_kwh=10.0, lifetime_kwh=10.0), [recorded], matches)
    [session] = amendment.sessions
    assert (session.id, session.corrections, session.energy_kwh) == (recorded.id, corrections, energy)
    assert amendment.ledger.counters.counted_kwh == 10.0 + (energy or 0.0) - before


def test_correction_of_an_earlier_session_does_not_apply_to_a_new_one():
    recorded = record(make_period(0, 30), corrections=(correction(0, 30, deleted=True),))
    first, second = match_sessions([recorded], [recorded.period, make_period(30, 60)])
    assert (first.corrections, second.corrections) == (recorded.corrections, ())


@pytest.mark.parametrize(
    ("own", "derived", "kept_kwh"),
    [
        pytest.param(correction(0, 30, 7.0), [], 7.0, id="its energy is stated"),
        pytest.param(correction(0, 30, 7.0), [(30, 60)], 7.0, id="its energy is stated, another one follows"),
        pytest.param(correction(0, 30, 7.0), [(-60, 5), (10, 20)], None, id="others have its energy"),
        pytest.param(correction(0, 30, deleted=True), [], None, id="it is deleted"),
        pytest.param(None, [], None, id="it is not corrected"),
    ],
)
def test_session_that_is_no_longer_derived_is_kept_while_its_energy_is_stated(own, derived, kept_kwh):
    session = record(make_period(0, 30, kwh=4.0), at_home=True, corrections=(own,) if own else ())
    matches = [SessionMatch(recorded=None, period=make_period(*span, kwh=1.0)) for span in derived]
    counters = EnergyCounters(counted_kwh=20.0, counted_home_kwh=20.0, lifetime_kwh=20.0)
    amendment = amend(counters, [session], matches)
    kept = [each for each in amendment.sessions if each.id == session.id]
    assert [(each.energy_kwh, each.period.energy_kwh, each.at_home) for each in kept] == (
        [] if kept_kwh is None else [(kept_kwh, None, True)]
    )
    assert amendment.removed_ids == (() if kept else (session.id,))
    expected = 20.0 - (session.energy_kwh or 0.0) + (kept_kwh or 0.0) + len(derived)
    assert amendment.ledger.counters.counted_kwh == expected


@pytest.mark.parametrize(
    ("home", "place", "home_kwh"),
    [
        pytest.param(HOME, HERE, 5.0, id="at home"),
        pytest.param(HOME, replace(HERE, latitude=1.0), 0.0, id="away"),
        pytest.param(HOME, UNKNOWN_PLACE, None, id="place unknown"),
        pytest.param(None, HERE, None, id="home unknown"),
    ],
)
def test_home_counter_starts_when_a_session_is_known_to_be_at_home_or_away(home, place, home_kwh):
    matches = match_sessions([], [make_period(0, 30, kwh=5.0, place=place)])
    after = amend(EnergyCounters(), [], matches, home).ledger.counters
    assert (after.counted_kwh, after.lifetime_kwh, after.home_kwh) == (5.0, 5.0, home_kwh)


def test_session_away_changes_only_the_total():
    recorded = record(make_period(0, 30, kwh=4.0, place=HERE), at_home=False)
    matches = [SessionMatch(recorded=recorded, period=make_period(0, 40, kwh=6.0, place=HERE))]
    counters = EnergyCounters(counted_kwh=7.0, counted_home_kwh=3.0, lifetime_kwh=7.0, home_kwh=3.0)
    after = amend(counters, [recorded], matches).ledger.counters
    assert after == EnergyCounters(counted_kwh=9.0, counted_home_kwh=3.0, lifetime_kwh=9.0, home_kwh=3.0)


def test_home_counter_stays_when_nothing_is_known_about_the_newest_session():
    counters = EnergyCounters(counted_kwh=4.0, counted_home_kwh=4.0, lifetime_kwh=4.0, home_kwh=4.0)
    matches = match_sessions([], [make_period(0, 30, kwh=1.0, place=UNKNOWN_PLACE)])
    after = amend(counters, [], matches, None).ledger.counters
    assert after == replace(counters, counted_kwh=5.0, lifetime_kwh=5.0)


def test_session_that_is_no_longer_at_home_leaves_the_home_count():
    matches = [
        SessionMatch(recorded=HOME_SESSION, period=make_period(0, 30, kwh=4.0, place=replace(HERE, latitude=1.0)))
    ]
    counters = EnergyCounters(counted_kwh=4.0, counted_home_kwh=4.0, lifetime_kwh=4.0, home_kwh=4.0)
    after = amend(counters, [HOME_SESSION], matches).ledger.counters
    assert after == replace(counters, counted_home_kwh=0.0)


@pytest.mark.parametrize(
    ("shown", "visible"),
    [
        ((0.0, None, 0.0), (0.0, None, 0.0)),
        ((1.2344, 1.2346, 1.2347), (1.234, 1.235, 1.235)),
        ((1.23449, 0.0, 0.00049), (1.234, 0.0, 0.0)),
    ],
)
def test_visible_counters_are_rounded_to_watt_hours(shown, visible):
    names = "lifetime_kwh", "home_kwh", "discharged_kwh"
    assert EnergyCounters(**dict(zip(names, shown, strict=True))).visible_kwh == visible


def test_empty_ledger_has_counters_of_zero_and_no_session():
    assert ChargingLedger() == ChargingLedger(
        state=DerivationState(last=None, period=None),
        session=None,
        counters=EnergyCounters(counted_kwh=0.0, counted_home_kwh=0.0, lifetime_kwh=0.0, home_kwh=None),
    )
