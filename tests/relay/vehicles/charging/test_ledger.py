"""Sessions keep their ids, rates and homes; visible counters never decrease and follow the sum of all sessions."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.charging.counters import LAG, EnergyCounters
from relay.vehicles.charging.derivation import DerivationState, derive
from relay.vehicles.charging.home import HomeLocation
from relay.vehicles.charging.ledger import StartingPoint, amend_ledger, match_sessions
from relay.vehicles.charging.samples import VehiclePlace
from tests.relay.support.charging import at, charging, histories, merge_by_time, stopped

HOME_PLACE = VehiclePlace(latitude=52.0, longitude=5.0)
HOME = HomeLocation(latitude=52.0, longitude=5.0, radius_m=500)


class LedgerHarness:
    """The sessions and counters of one vehicle, derived again from all samples whenever some are added."""

    def __init__(self):
        self.home = HOME
        self.samples, self.sessions, self.counters = [], {}, EnergyCounters()

    def add(self, *samples):
        self.samples += samples
        derivation = derive(DerivationState(), merge_by_time(self.samples), keep=LAG)
        recorded = sorted(self.sessions.values(), key=lambda session: session.period.started_at)
        start = StartingPoint(sessions=recorded, counters=self.counters)
        amendment = amend_ledger(start, match_sessions(recorded, derivation.periods), derivation, self.home)
        for session_id in amendment.removed_ids:
            del self.sessions[session_id]
        self.sessions |= {session.id: session for session in amendment.sessions}
        self.counters = amendment.ledger.counters
        return amendment

    @property
    def only_session(self):
        [session] = self.sessions.values()
        return session


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected"),
    [(52.0, 5.0, True), (52.0044, 5.0, True), (52.0046, 5.0, False), (52.0, 5.0072, True), (52.0, 5.0074, False)],
)
def test_home_is_a_circle(latitude, longitude, expected):
    assert HOME.contains(VehiclePlace(latitude=latitude, longitude=longitude)) is expected


def test_home_at_the_date_line_is_a_circle_too():
    home = HomeLocation(latitude=-17.0, longitude=179.999, radius_m=500)
    assert home.contains(VehiclePlace(latitude=-17.0, longitude=-179.999)) is True


def test_at_home_is_unknown_without_a_place():
    assert HOME.contains(VehiclePlace()) is None


def test_growing_session_keeps_its_id_and_home():
    ledger = LedgerHarness()
    ledger.add(charging(0, 40, 11, place=HOME_PLACE))
    first = ledger.only_session
    ledger.home = None
    ledger.add(charging(20, 47, 11, place=HOME_PLACE), stopped(40, 54))
    assert (ledger.only_session.id, ledger.only_session.at_home) == (first.id, True)
    assert ledger.counters.lifetime_kwh == ledger.counters.home_kwh == pytest.approx(11 * 40 / 60)


def test_late_sample_moves_the_start_and_keeps_the_id():
    ledger = LedgerHarness()
    ledger.add(charging(40, 44, 11), charging(50, 45, 11))
    first = ledger.only_session
    ledger.add(charging(20, 40, 11))
    assert (ledger.only_session.id, ledger.only_session.period.started_at) == (first.id, at(20))


def test_late_sample_joins_two_sessions_and_its_correction_separates_them():
    ledger = LedgerHarness()
    ledger.add(charging(0, 40, 11), stopped(10, 42), charging(60, 43, 11), stopped(70, 45))
    first_id, _ = sorted(ledger.sessions, key=lambda session_id: ledger.sessions[session_id].period.started_at)
    amendment = ledger.add(charging(30, 43, 11))
    assert (ledger.only_session.id, len(amendment.removed_ids)) == (first_id, 1)
    ledger.add(replace(stopped(30, 43), version="9"))
    assert len(ledger.sessions) == 2


def test_downward_amendment_is_absorbed_by_later_charging():
    ledger = LedgerHarness()
    ledger.add(charging(0, 40), stopped(20, 60))
    assert ledger.counters.lifetime_kwh == 10
    ledger.add(stopped(20, 50, version=1))
    assert (ledger.counters.counted_kwh, ledger.counters.lifetime_kwh) == (5, 10)
    ledger.add(charging(200, 50), stopped(220, 58))
    assert (ledger.counters.counted_kwh, ledger.counters.lifetime_kwh) == (9, 10)
    ledger.add(charging(400, 58), stopped(420, 68))
    assert (ledger.counters.counted_kwh, ledger.counters.lifetime_kwh) == (14, 14)


def test_repeated_samples_change_nothing():
    ledger = LedgerHarness()
    samples = charging(0, 40, 11, place=HOME_PLACE), stopped(20, 44)
    ledger.add(*samples)
    counters = ledger.counters
    repeated = ledger.add(*samples)
    assert (repeated.sessions, repeated.removed_ids, ledger.counters) == ((), (), counters)


def approximate_counts(counters):
    return [pytest.approx(energy) for energy in (counters.counted_kwh, counters.counted_home_kwh)]


def sessions_without_ids(ledger):
    return sorted(
        ((session.period, session.at_home) for session in ledger.sessions.values()),
        key=lambda row: row[0].started_at,
    )


@given(histories, st.randoms())
def test_sessions_and_counted_energy_do_not_depend_on_order_or_repetition(samples, random):
    ordered, shuffled = LedgerHarness(), LedgerHarness()
    ordered.add(*samples)
    repeated = [*samples, *random.sample(samples, len(samples) // 2)]
    random.shuffle(repeated)
    visible = (0.0, 0.0)
    for sample in repeated:
        shuffled.add(sample)
        counters = shuffled.counters
        assert counters.lifetime_kwh >= visible[0]
        assert (counters.home_kwh or 0.0) >= visible[1]
        assert counters.lifetime_kwh >= counters.counted_kwh
        visible = counters.lifetime_kwh, counters.home_kwh or 0.0
    assert sessions_without_ids(shuffled) == sessions_without_ids(ordered)
    counters = shuffled.counters
    assert [counters.counted_kwh, counters.counted_home_kwh] == approximate_counts(ordered.counters)
    total = sum(session.period.energy_kwh or 0 for session in shuffled.sessions.values())
    assert counters.counted_kwh == pytest.approx(total)
