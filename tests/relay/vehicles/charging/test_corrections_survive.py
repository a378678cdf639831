"""A correction by the owner has the same effect sample by sample and when everything is derived again."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.charging.counters import LAG
from relay.vehicles.charging.derivation import DerivationState, derive
from relay.vehicles.charging.ledger import (
    ChargingLedger,
    StartingPoint,
    amend_ledger,
    correct_ledger,
    match_sessions,
)
from relay.vehicles.charging.owner_corrections import OwnerCorrection, replace_corrections
from tests.relay.support.charging import charging, histories, merge_by_time, stopped, unplugged


class Vehicle:
    """A vehicle's samples, recorded sessions, ledger and corrections, as recording.py and correct_session.py keep them.

    `shown` are the lifetime counters after each step.
    """

    def __init__(self):
        self.samples, self.sessions, self.corrections = [], {}, []
        self.ledger = ChargingLedger()
        self.shown = [0.0]

    def record(self, sample):
        """Process the newest sample."""
        self.samples.append(sample)
        recorded = [self.ledger.session] if self.ledger.session else []
        self._amend(self.ledger.state, [sample], recorded, None)

    def derive_again(self):
        """Process all samples again, as for a late sample and for a recompute."""
        recorded = sorted(self.sessions.values(), key=lambda session: session.period.started_at)
        self._amend(DerivationState(), self.samples, recorded, self.corrections)

    def correct(self, session, *, energy_kwh=None, deleted=False):
        """Correct a recorded session. Neither energy nor deletion: undo it."""
        period = session.period
        new = OwnerCorrection(
            started_at=period.started_at, ended_at=period.ended_at, energy_kwh=energy_kwh, deleted=deleted
        )
        new = new if deleted or energy_kwh is not None else None
        self.corrections = replace_corrections(self.corrections, period, new)
        after = replace(session, corrections=(new,) if new else ())
        self.sessions[session.id] = after
        self.ledger = correct_ledger(self.ledger, session, after)
        self.shown.append(self.ledger.counters.lifetime_kwh)

    def _amend(self, state, samples, recorded, corrections):
        start = StartingPoint(state=state, sessions=recorded, counters=self.ledger.counters, recent=self.ledger.recent)
        derivation = derive(state, samples, keep=LAG)
        matches = match_sessions(recorded, derivation.periods, corrections)
        if corrections is None and any(self._has_recorded_since(match) for match in matches):
            self.derive_again()
            return
        amendment = amend_ledger(start, matches, derivation)
        for session_id in amendment.removed_ids:
            del self.sessions[session_id]
        self.sessions |= {session.id: session for session in amendment.sessions}
        self.ledger = amendment.ledger
        self.shown.append(self.ledger.counters.lifetime_kwh)

    def _has_recorded_since(self, match):
        since = match.period.started_at
        recorded = (*self.corrections, *(session.period for session in self.sessions.values()))
        return match.recorded is None and any(each.ended_at > since for each in recorded)

    def list_energies(self):
        sessions = sorted(self.sessions.values(), key=lambda session: (session.period.started_at, session.id))
        return [
            (session.period.started_at, session.period.ended_at, session.energy.is_deleted, session.energy_kwh)
            for session in sessions
        ]

    @property
    def total_kwh(self):
        return sum(energy or 0.0 for *_, energy in self.list_energies())


@given(histories, st.data())
def test_deriving_again_after_a_correction_changes_nothing_and_no_counter_falls(samples, data):
    vehicle, ordered = Vehicle(), merge_by_time(samples)
    split = data.draw(st.integers(0, len(ordered)))
    for sample in ordered[:split]:
        vehicle.record(sample)
    if vehicle.sessions:
        session = data.draw(st.sampled_from(sorted(vehicle.sessions.values(), key=lambda it: it.period.started_at)))
        vehicle.correct(session, energy_kwh=data.draw(st.none() | st.floats(0, 100)), deleted=data.draw(st.booleans()))
    for sample in ordered[split:]:
        vehicle.record(sample)
    before, counted = vehicle.list_energies(), vehicle.ledger.counters.counted_kwh
    vehicle.derive_again()
    after = vehicle.list_energies()
    assert [row[:3] for row in after] == [row[:3] for row in before]
    assert [row[3] for row in after] == pytest.approx([row[3] for row in before], nan_ok=True)
    assert (
        vehicle.ledger.counters.counted_kwh
        == pytest.approx(counted, abs=1e-6)
        == pytest.approx(vehicle.total_kwh, abs=1e-6)
    )
    assert vehicle.shown == sorted(vehicle.shown)


@given(histories, st.data())
def test_undoing_a_correction_restores_what_was_derived(samples, data):
    vehicle, untouched = Vehicle(), Vehicle()
    for sample in merge_by_time(samples):
        vehicle.record(sample)
        untouched.record(sample)
    if not vehicle.sessions:
        return
    session = data.draw(st.sampled_from(sorted(vehicle.sessions.values(), key=lambda it: it.period.started_at)))
    vehicle.correct(session, energy_kwh=data.draw(st.none() | st.floats(0, 100)), deleted=True)
    vehicle.derive_again()
    vehicle.correct(vehicle.sessions[session.id])
    vehicle.derive_again()
    assert vehicle.corrections == []
    assert vehicle.total_kwh == pytest.approx(untouched.total_kwh, abs=1e-6)
    assert [row[:3] for row in vehicle.list_energies()] == [row[:3] for row in untouched.list_energies()]


def test_counter_stands_still_after_a_deletion_until_charging_has_made_up_for_it():
    vehicle = Vehicle()
    for sample in (charging(0, 20), unplugged(60, 60)):
        vehicle.record(sample)
    [session] = vehicle.sessions.values()
    vehicle.correct(session, deleted=True)
    for sample in (charging(200, 30), stopped(260, 60), charging(600, 30), stopped(660, 60)):
        vehicle.record(sample)
    assert vehicle.shown == [0, 0, 20, 20, 20, 20, 20, 30]
