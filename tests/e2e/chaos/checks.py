"""The checks after the faults. Each compares with the simulator's ground truth, never with the relay's own view."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import psycopg
import pytest

from tests.e2e.chaos.accounts import Account
from tests.e2e.chaos.ground_truth import GroundTruth, VehicleHistory, hash_event, is_subsequence
from tests.e2e.chaos.installations import is_at_or_before
from tests.e2e.chaos.polling_faults import list_subscriptions
from tests.e2e.chaos.scenario import Run
from tests.e2e.processes import wait_until


def list_differences(accounts: Sequence[Account], truth: GroundTruth, ignored: Collection[str] = ()) -> list[str]:
    """Describe where the vehicles of the installations differ from the ground truth, but for the `ignored` members."""
    differences = []
    for account in accounts:
        linked = [vehicle for vehicle in truth.vehicles.values() if vehicle.user == account.user and vehicle.is_linked]
        expected = {vehicle.current["id"]: vehicle.current for vehicle in linked}
        for installation in account.installations:
            records = list(installation.vehicles.values())
            actual = {record["vehicle"]["id"]: record["vehicle"] for record in records}
            differences += [
                f"{installation.name}: {enode_id}: {', '.join(members)}"
                for enode_id in sorted(actual.keys() | expected.keys())
                if (members := list_different_members(actual.get(enode_id, {}), expected.get(enode_id, {}), ignored))
            ]
    return differences


def list_different_members(actual: dict[str, Any], expected: dict[str, Any], ignored: Collection[str]) -> list[str]:
    """List the members that differ, with both values."""
    names = sorted((actual.keys() | expected.keys()) - set(ignored))
    return [
        f"{name} is {actual.get(name)}, not {expected.get(name)}"
        for name in names
        if actual.get(name) != expected.get(name)
    ]


def check_installations(run: Run, *, ignored: Collection[str] = ()) -> None:
    """Every installation has the current vehicles, and got real transitions only, in order and without duplicates.

    `ignored`: members of a vehicle that may differ.
    """
    truth = run.fetch_truth()
    wait_until(
        lambda: not list_differences(run.accounts, truth, ignored),
        missing=lambda: "the true state at " + "; ".join(list_differences(run.accounts, truth, ignored)),
    )
    wait_until(
        lambda: not list_lost_transitions(run.accounts),
        missing=lambda: "transitions at " + "; ".join(list_lost_transitions(run.accounts)),
    )
    assert all(account.stream.connections > 1 for account in run.accounts)
    for installation in (installation for account in run.accounts for installation in account.installations):
        assert installation.violations == [], installation.name
        assert installation.gaps == 0, installation.name
        assert installation.transitions, installation.name
        for record in installation.vehicles.values():
            received = installation.list_transition_types(record["id"])
            expected = truth.find_vehicle(record).transitions
            assert is_subsequence(received, expected), (
                f"{installation.name} got {' '.join(received)}; the truth is {' '.join(expected)}"
            )


def list_lost_transitions(accounts: Sequence[Account]) -> list[str]:
    """Describe transitions that one installation of an account has received and another one has not.

    An installation gets all those after its first message, however often it was unreachable.
    """
    lost = []
    for account in accounts:
        sent = set().union(*(installation.transition_ids for installation in account.installations))
        for installation in account.installations:
            missing = sent - installation.transition_ids
            owed = sorted(id_ for id_ in missing if not is_at_or_before(id_, installation.first_cursor))
            lost += [f"{installation.name}: {', '.join(owed)}"] * bool(owed)
    return lost


def check_without_faults(run: Run) -> None:
    """Without faults, every installation receives every transition."""
    installations = [installation for account in run.accounts for installation in account.installations]
    transitions_before = {vin: len(vehicle.transitions) for vin, vehicle in run.fetch_truth().vehicles.items()}
    received_before = [len(installation.transitions) for installation in installations]
    run.changer.run_all_steps()
    truth = run.fetch_truth()
    wait_until(
        lambda: not list_differences(run.accounts, truth),
        missing=lambda: "the true state at " + "; ".join(list_differences(run.accounts, truth)),
    )
    for installation, start in zip(installations, received_before, strict=True):
        for record in installation.vehicles.values():
            vehicle = truth.find_vehicle(record)
            expected = vehicle.transitions[transitions_before[vehicle.vin] :]

            def list_received(installation=installation, start=start, record=record) -> list[str]:
                return installation.list_transition_types(record["id"], start)

            # A transition follows the vehicle's new state in a message of its own.
            wait_until(
                lambda expected=expected, list_received=list_received: len(list_received()) >= len(expected),
                missing=lambda expected=expected, list_received=list_received: f"{expected}, got {list_received()}",
            )
            assert list_received() == expected, installation.name


def check_inbox(connection: psycopg.Connection, truth: GroundTruth, users: list[str]) -> None:
    """Each signed event is stored once and processed, forged ones are not stored, and no lease is left."""
    count_pending = "select count(*) from evconduit.webhook_logs where state = 'pending'"
    wait_until(lambda: connection.execute(count_pending).fetchone() == (0,), missing="the processing of all events")
    from_users = "from evconduit.webhook_logs where source = 'webhook' and user_id = any (%s)"
    rows = connection.execute(f"select payload, state {from_users}", [users]).fetchall()
    assert Counter(hash_event(payload) for payload, _ in rows) == Counter(hash_event(event) for event in truth.events)
    assert {state for _, state in rows} == {"done"}
    count_busy = "select count(*) from evconduit.endpoints where leased_until is not null or failures > 0"
    wait_until(lambda: connection.execute(count_busy).fetchone() == (0,), missing="a success at every endpoint")


def check_sessions(connection: psycopg.Connection, vehicles: dict[str, VehicleHistory]) -> None:
    """Charging sessions and energy counters are those that follow from the ground truth."""
    of_vehicle = "join evconduit.vehicle_links l on l.vehicle_id = s.vehicle_id where l.enode_vehicle_id = %s"
    for vehicle in vehicles.values():
        enode_id = vehicle.enode_ids[-1]
        rows = connection.execute(
            f"select s.started_at, s.ended_at, s.energy_kwh from evconduit.charging_sessions s {of_vehicle} order by 1",
            [enode_id],
        ).fetchall()
        expected = vehicle.sessions
        assert expected
        assert [row[:2] for row in rows] == [(session.started_at, session.ended_at) for session in expected]
        energies = [row[2] or 0.0 for row in rows]
        # The level of these vehicles stands still, so power counts for no more than the step that it may not show yet.
        step = vehicle.current["chargeState"]["batteryCapacity"] / 100
        for energy, session in zip(energies, expected, strict=True):
            if session.energy <= step:
                assert energy == pytest.approx(session.energy, abs=1e-6)
            else:
                assert 0 <= energy <= session.energy + 1e-6
        counted, lifetime = connection.execute(
            f"select s.counted_kwh, s.lifetime_kwh from evconduit.vehicle_energy s {of_vehicle}", [enode_id]
        ).fetchone()
        assert counted == pytest.approx(sum(energies), abs=1e-6)
        # The counter that users see waits for late reports, for up to ten minutes.
        assert 0 <= lifetime <= counted + 1e-9
        (by_hour,) = connection.execute(
            f"select coalesce(sum(s.kwh), 0) from evconduit.charging_hours s {of_vehicle}", [enode_id]
        ).fetchone()
        assert by_hour == pytest.approx(counted, abs=1e-6)


def check_enode(run: Run, answers: dict[str, dict[str, int]]) -> None:
    """Forged deliveries were refused; signed ones never were, however malformed, so Enode never gave up on the URL."""
    for fault, codes in answers.items():
        allowed = {"401", "503", "none"} if fault == "forged" else {"200", "503", "none"}
        assert codes.keys() <= allowed, (fault, codes)
    assert "401" in answers["forged"]
    deliveries = run.enode.http.get("/_sim/deliveries?events=false", timeout=60).json()
    assert [delivery for delivery in deliveries if delivery["state"] == "failed"] == []
    assert [webhook["isActive"] for webhook in list_subscriptions(run)] == [True]


def check_logs(run: Run) -> None:
    """No log of any process contains a secret, an email address, a VIN or a position."""
    vehicles = run.fetch_truth().vehicles.values()
    sensitive = {run.cluster.secret, "client-secret"}
    sensitive |= {secret for account in run.accounts for secret in account.secrets}
    sensitive |= {vehicle.vin for vehicle in vehicles}
    coordinates = {vehicle.current["location"][name] for vehicle in vehicles for name in ("latitude", "longitude")}
    sensitive |= {str(coordinate) for coordinate in coordinates if coordinate is not None}
    logs = run.cluster.read_logs()
    assert logs.keys() >= {"relay.log", "enode.log", "postgres.log"}
    assert len(logs["relay.log"]) > 0
    assert {name: secret for name, text in logs.items() for secret in sensitive if secret in text} == {}
