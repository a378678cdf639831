"""The checks after the faults. Each compares with the simulator's ground truth, never with the relay's own view."""

from collections import Counter
from collections.abc import Iterable

import psycopg
import pytest

from tests.e2e.chaos.cluster import Cluster
from tests.e2e.chaos.ground_truth import GroundTruth, VehicleHistory, hash_event, is_subsequence
from tests.e2e.chaos.installations import Account
from tests.e2e.processes import wait_until
from tests.e2e.simulated_enode import SimulatedEnode


def list_outdated_installations(accounts: Iterable[Account], vehicles: dict[str, VehicleHistory]) -> list[str]:
    """Return the names of the installations whose vehicles differ from the ground truth."""
    outdated = []
    for account in accounts:
        expected = {enode_id: vehicle.current for enode_id, vehicle in vehicles.items() if vehicle.user == account.user}
        for installation in account.installations:
            actual = {record["vehicle"]["id"]: record["vehicle"] for record in installation.vehicles.values()}
            outdated += [installation.name] * (actual != expected)
    return outdated


def check_installations(accounts: list[Account], truth: GroundTruth) -> None:
    """Every installation has the current vehicles, and got real transitions only, in order and without duplicates."""
    wait_until(lambda: not list_outdated_installations(accounts, truth.vehicles))
    assert all(account.stream.connections > 1 for account in accounts)
    for installation in (installation for account in accounts for installation in account.installations):
        assert installation.violations == [], installation.name
        assert installation.gaps == 0, installation.name
        assert installation.transitions, installation.name
        for record in installation.vehicles.values():
            received = installation.list_transition_types(record["id"])
            expected = truth.vehicles[record["vehicle"]["id"]].transitions
            assert is_subsequence(received, expected), installation.name


def check_inbox(connection: psycopg.Connection, truth: GroundTruth, users: list[str]) -> None:
    """Each signed event is stored once and processed, forged ones are not stored, and no lease is left."""
    count_pending = "select count(*) from evconduit.webhook_logs where state = 'pending'"
    wait_until(lambda: connection.execute(count_pending).fetchone() == (0,))
    from_users = "from evconduit.webhook_logs where source = 'webhook' and user_id = any (%s)"
    rows = connection.execute(f"select payload, state {from_users}", [users]).fetchall()
    assert Counter(hash_event(payload) for payload, _ in rows) == Counter(hash_event(event) for event in truth.events)
    assert {state for _, state in rows} == {"done"}
    count_busy = "select count(*) from evconduit.endpoints where leased_until is not null or failures > 0"
    wait_until(lambda: connection.execute(count_busy).fetchone() == (0,))


def check_sessions(connection: psycopg.Connection, vehicles: dict[str, VehicleHistory]) -> None:
    """Charging sessions and energy counters are those that follow from the ground truth."""
    for enode_id, vehicle in vehicles.items():
        of_vehicle = "join evconduit.vehicle_links l on l.vehicle_id = s.vehicle_id where l.enode_vehicle_id = %s"
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


def check_enode(enode: SimulatedEnode, answers: dict[str, dict[str, int]]) -> None:
    """Forged deliveries were refused; signed ones never were, however malformed, so Enode never gave up on the URL."""
    for fault, codes in answers.items():
        allowed = {"401", "503", "none"} if fault == "forged" else {"200", "503", "none"}
        assert codes.keys() <= allowed, (fault, codes)
    assert "401" in answers["forged"]
    deliveries = enode.http.get("/_sim/deliveries?events=false", timeout=60).json()
    assert [delivery for delivery in deliveries if delivery["state"] == "failed"] == []
    form = {"grant_type": "client_credentials"}
    token = enode.http.post("/oauth2/token", auth=("client", "client-secret"), data=form).json()["access_token"]
    webhooks = enode.http.get("/webhooks", headers={"Authorization": f"Bearer {token}"}).json()["data"]
    assert [webhook["isActive"] for webhook in webhooks] == [True]


def check_logs(cluster: Cluster, accounts: list[Account], vehicles: dict[str, VehicleHistory]) -> None:
    """No log of any process contains a secret, an email address, a VIN or a position."""
    sensitive = {cluster.secret, "client-secret", *(secret for account in accounts for secret in account.secrets)}
    sensitive |= {vehicle.current["information"]["vin"] for vehicle in vehicles.values()}
    coordinates = {
        vehicle.current["location"][name] for vehicle in vehicles.values() for name in ("latitude", "longitude")
    }
    sensitive |= {str(coordinate) for coordinate in coordinates if coordinate is not None}
    logs = {path.name: path.read_text(errors="replace") for path in cluster.folder.rglob("*.log")}
    assert logs.keys() >= {"relay.log", "enode.log", "postgres.log"}
    assert len(logs["relay.log"]) > 0
    assert {name: secret for name, text in logs.items() for secret in sensitive if secret in text} == {}
