"""Sessions keep their ids, prices and homes; counters that users see never fall, and follow the truth."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.charging.derivation import DerivationState, derive_periods
from relay.vehicles.charging.ledger import (
    ElectricityRate,
    EnergyCounters,
    HomeAndRates,
    HomeLocation,
    amend_ledger,
    match_sessions,
)
from relay.vehicles.charging.samples import VehiclePlace
from tests.relay.support.charging import as_set, at, charges, histories, rests

HERE = VehiclePlace(latitude=52.0, longitude=5.0)
HOME = HomeLocation(latitude=52.0, longitude=5.0, radius_m=500)
DEAR = ElectricityRate(valid_from=at(-60), cost_per_kwh=0.4, currency="EUR")
CHEAP = ElectricityRate(valid_from=at(30), cost_per_kwh=0.1, currency="EUR")
TERMS = HomeAndRates(home=HOME, rates=[DEAR, CHEAP])


class Book:
    """Sessions and counters of a car whose samples are derived anew with each that comes."""

    def __init__(self, terms=TERMS):
        self.terms, self.samples, self.sessions, self.counters = terms, [], {}, EnergyCounters()

    def take(self, *samples):
        self.samples += samples
        derived, tail = derive_periods(DerivationState(), as_set(self.samples))
        recorded = sorted(self.sessions.values(), key=lambda it: it.period.started_at)
        it = amend_ledger(self.counters, recorded, match_sessions(recorded, derived), tail, self.terms)
        for gone in it.removed_ids:
            del self.sessions[gone]
        self.sessions |= {session.id: session for session in it.sessions}
        self.counters = it.ledger.counters
        return it

    @property
    def only(self):
        [it] = self.sessions.values()
        return it


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected"),
    [(52.0, 5.0, True), (52.0044, 5.0, True), (52.0046, 5.0, False), (52.0, 5.0072, True), (52.0, 5.0074, False)],
)
def test_home_is_a_circle(latitude, longitude, expected):
    assert TERMS.is_at_home(VehiclePlace(latitude=latitude, longitude=longitude)) is expected


def test_home_beside_the_date_line_is_a_circle_too():
    terms = HomeAndRates(home=HomeLocation(latitude=-17.0, longitude=179.999, radius_m=500))
    assert terms.is_at_home(VehiclePlace(latitude=-17.0, longitude=-179.999)) is True


def test_without_a_home_or_a_place_nobody_knows():
    assert HomeAndRates().is_at_home(HERE) is None
    assert TERMS.is_at_home(VehiclePlace()) is None


@pytest.mark.parametrize(("minutes", "rate"), [(-61, None), (-60, DEAR), (29, DEAR), (30, CHEAP), (9000, CHEAP)])
def test_the_rate_is_the_one_in_force(minutes, rate):
    assert TERMS.find_rate(at(minutes)) == rate


def test_a_session_keeps_its_id_and_its_terms_while_it_grows():
    book = Book()
    book.take(charges(0, 40, 11, place=HERE))
    begun = book.only
    book.terms = HomeAndRates()
    book.take(charges(20, 43, 11, place=HERE), rests(40, 47))
    assert (book.only.id, book.only.at_home, book.only.rate) == (begun.id, True, DEAR)
    assert book.counters.lifetime_kwh == book.counters.home_kwh == pytest.approx(11 * 40 / 60)


def test_late_news_moves_the_start_and_keeps_the_id():
    book = Book()
    book.take(charges(40, 44, 11), charges(50, 45, 11))
    begun = book.only
    book.take(charges(20, 40, 11))
    assert (book.only.id, book.only.period.started_at) == (begun.id, at(20))
    assert (begun.rate, book.only.rate) == (CHEAP, DEAR)


def test_what_was_between_two_sessions_makes_them_one_and_its_opposite_two():
    book = Book()
    book.take(charges(0, 40, 11), rests(10, 42), charges(60, 43, 11), rests(70, 45))
    first, _ = sorted(book.sessions, key=lambda it: book.sessions[it].period.started_at)
    amendment = book.take(charges(30, 43, 11))
    assert (book.only.id, len(amendment.removed_ids)) == (first, 1)
    book.take(replace(rests(30, 43), version="9"))
    assert len(book.sessions) == 2


def test_a_downward_amendment_is_owed_and_absorbed():
    book = Book()
    book.take(charges(0, 40), rests(20, 60))
    assert book.counters.lifetime_kwh == 10
    book.take(rests(20, 50, version=1))
    assert (book.counters.counted_kwh, book.counters.lifetime_kwh) == (5, 10)
    book.take(charges(200, 50), rests(220, 58))
    assert (book.counters.counted_kwh, book.counters.lifetime_kwh) == (9, 10)
    book.take(charges(400, 58), rests(420, 68))
    assert (book.counters.counted_kwh, book.counters.lifetime_kwh) == (14, 14)


def test_the_same_news_again_moves_nothing():
    book = Book()
    samples = charges(0, 40, 11, place=HERE), rests(20, 44)
    book.take(*samples)
    counters = book.counters
    again = book.take(*samples)
    assert (again.sessions, again.removed_ids, book.counters) == ((), (), counters)


def approximately(counters):
    return [pytest.approx(it) for it in (counters.counted_kwh, counters.counted_home_kwh)]


def told(book):
    """What a user sees of sessions, without their ids."""
    return sorted(((it.period, it.at_home, it.rate) for it in book.sessions.values()), key=lambda it: it[0].started_at)


@given(histories, st.randoms())
def test_any_order_and_repetition_end_in_the_same_sessions_and_the_same_truth(them, random):
    straight, shuffled = Book(), Book()
    straight.take(*them)
    again = [*them, *random.sample(them, len(them) // 2)]
    random.shuffle(again)
    shown = (0.0, 0.0)
    for it in again:
        shuffled.take(it)
        counters = shuffled.counters
        assert counters.lifetime_kwh >= shown[0]
        assert (counters.home_kwh or 0.0) >= shown[1]
        assert counters.lifetime_kwh >= counters.counted_kwh
        shown = counters.lifetime_kwh, counters.home_kwh or 0.0
    assert told(shuffled) == told(straight)
    counters = shuffled.counters
    assert [counters.counted_kwh, counters.counted_home_kwh] == approximately(straight.counters)
    truth = sum(it.period.energy_kwh or 0 for it in shuffled.sessions.values())
    assert counters.counted_kwh == pytest.approx(truth)
