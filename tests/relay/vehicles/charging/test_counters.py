"""What is counted is shown when it is settled: for events that overtake each other by minutes, nothing overshoots."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.charging.counters import (
    LAG,
    CountedEnergy,
    EnergyCounters,
    find_count,
    forget_counts,
    remember_count,
)
from relay.vehicles.charging.derivation import DerivationState, derive
from relay.vehicles.charging.ledger import ChargingLedger, StartingPoint, amend_ledger, match_sessions
from tests.relay.support.charging import at, charging, merge_by_time, stopped


def count(minutes, kwh=0.0):
    return CountedEnergy(at=at(minutes), kwh=kwh, home_kwh=0.0, discharged_kwh=0.0)


def get_minutes(recent):
    return [(each.at - at(0)) / timedelta(minutes=1) for each in recent]


def test_counts_are_remembered_a_minute_apart():
    recent = ()
    for seconds in range(0, 301, 20):
        recent = remember_count(recent, count(seconds / 60))
    assert get_minutes(recent) == [0, 1, 2, 3, 4, 5]
    assert remember_count(recent, count(5, kwh=2.0)) == (*recent[:-1], count(5, kwh=2.0))


def test_settled_count_is_the_last_one_before_and_older_ones_are_forgotten():
    recent = tuple(count(minutes) for minutes in (0, 4, 8, 12))
    assert find_count(recent, at(8)) == count(8)
    assert find_count(recent, at(7.9)) == count(4)
    assert find_count(recent, at(-1)) is None
    assert get_minutes(forget_counts(recent, at(8))) == [8, 12]
    assert get_minutes(forget_counts(recent, at(7.9))) == [4, 8, 12]
    assert get_minutes(forget_counts(recent, at(-1))) == [0, 4, 8, 12]


@pytest.mark.parametrize(
    ("members", "settled"),
    [
        ({}, True),
        ({"counted_kwh": 1.0}, False),
        ({"counted_kwh": 1.0, "lifetime_kwh": 1.0}, True),
        ({"counted_home_kwh": 1.0}, True),
        ({"counted_home_kwh": 1.0, "home_kwh": 0.0}, False),
        ({"counted_discharged_kwh": 1.0}, False),
        ({"counted_discharged_kwh": 1.0, "discharged_kwh": 2.0}, True),
    ],
)
def test_counters_are_settled_when_all_that_is_counted_is_shown(members, settled):
    assert EnergyCounters(**members).is_settled is settled


class Recorder:
    """Records samples as recording.py does: the newest one alone, a late one with all."""

    def __init__(self):
        self.ledger, self.sessions, self.samples = ChargingLedger(), {}, []

    def add(self, sample, settled_before):
        last = self.ledger.state.last
        self.samples = merge_by_time([*self.samples, sample])
        if last is None or sample.at > last.at:
            recorded = [self.ledger.session] if self.ledger.session else []
            ledger = self.ledger
            start = StartingPoint(state=ledger.state, sessions=recorded, counters=ledger.counters, recent=ledger.recent)
            derivation = derive(start.state, [sample], keep=LAG)
        else:
            recorded = sorted(self.sessions.values(), key=lambda session: session.period.started_at)
            start = StartingPoint(sessions=recorded, counters=self.ledger.counters)
            derivation = derive(DerivationState(), self.samples, keep=LAG)
        matches = match_sessions(start.sessions, derivation.periods)
        amendment = amend_ledger(start, matches, derivation, settled_before=settled_before)
        for session_id in amendment.removed_ids:
            del self.sessions[session_id]
        self.sessions |= {session.id: session for session in amendment.sessions}
        self.ledger = amendment.ledger
        return self.ledger.counters


def make_day(number, rng):
    """Charging that starts, stops and resumes, sampled every few minutes."""
    samples, minutes, level = [], 0.0, 20.0
    is_charging = True
    for _ in range(number):
        samples.append(charging(minutes, level, 7.5) if is_charging else stopped(minutes, level))
        step = rng.uniform(1, 8)
        level += 7.5 * step / 60 / 50 * 100 if is_charging else 0.0
        minutes += step
        is_charging = rng.random() < (0.85 if is_charging else 0.5)
    return [*samples, stopped(minutes, level)]


def shuffle_by_minutes(samples, rng, most=9.0):
    """(when it arrives, sample), each late by up to `most` minutes."""
    return sorted(
        ((each.at + timedelta(minutes=rng.uniform(0, most)), each) for each in samples), key=lambda pair: pair[0]
    )


@given(st.randoms(use_true_random=False), st.integers(2, 40))
def test_samples_late_by_minutes_never_make_the_shown_counter_overshoot(rng, number):
    samples = make_day(number, rng)
    truth = Recorder()
    for sample in samples:
        truth.add(sample, None)
    recorder = Recorder()
    for arrival, sample in shuffle_by_minutes(samples, rng):
        counters = recorder.add(sample, arrival - LAG)
        assert counters.lifetime_kwh <= truth.ledger.counters.counted_kwh + 1e-9
    counters = recorder.ledger.counters
    assert counters.counted_kwh == pytest.approx(truth.ledger.counters.counted_kwh)
    caught_up = recorder.add(stopped(9999, 20), at(9999))
    assert caught_up.lifetime_kwh == pytest.approx(counters.counted_kwh)


@given(st.randoms(use_true_random=False), st.integers(2, 40))
def test_shown_counter_lags_by_the_lag_at_most(rng, number):
    """With all samples in order, what was counted LAG ago is shown."""
    recorder, counted = Recorder(), []
    for sample in make_day(number, rng):
        counters = recorder.add(sample, sample.at - LAG)
        counted.append((sample.at, counters.counted_kwh))
        before = [kwh for moment, kwh in counted if moment <= sample.at - LAG - timedelta(minutes=1)]
        assert counters.lifetime_kwh >= max(before, default=0.0) - 1e-9
        assert counters.lifetime_kwh <= counters.counted_kwh + 1e-9
