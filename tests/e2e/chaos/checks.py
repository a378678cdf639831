"""What must be true after the chaos; each check compares with the truth and never with the relay's own word."""

from collections import Counter
from collections.abc import Iterable

import psycopg
import pytest

from tests.e2e.chaos.installations import Account
from tests.e2e.chaos.spread import Spread
from tests.e2e.chaos.truth import CarTruth, Truth, digest, is_subsequence
from tests.e2e.conftest import Enode, until


def who_errs(accounts: Iterable[Account], cars: dict[str, CarTruth]) -> list[str]:
    """Who believes something else than the truth; names only."""
    wrong = []
    for account in accounts:
        expected = {name: car.now for name, car in cars.items() if car.user == account.user}
        for installation in (account.listener, account.hook):
            known = {it["vehicle"]["id"]: it["vehicle"] for it in installation.vehicles.values()}
            wrong += [installation.name] * (known != expected)
    return wrong


def check_installations(accounts: list[Account], truth: Truth) -> None:
    """Everybody knows every car as it is, and was told what happened in its order, nothing twice, nothing invented."""
    until(lambda: not who_errs(accounts, truth.cars))
    assert all(it.listener.connections > 1 for it in accounts)
    for installation in (one for account in accounts for one in (account.listener, account.hook)):
        assert installation.broken == [], installation.name
        assert installation.gaps == 0, installation.name
        assert installation.transitions, installation.name
        for record in installation.vehicles.values():
            told = installation.kinds_of(record["id"])
            assert is_subsequence(told, truth.cars[record["vehicle"]["id"]].transitions), installation.name


def check_inbox(connection: psycopg.Connection, truth: Truth, users: list[str]) -> None:
    """Each signed event is there once and acted on, forged ones are not, and nothing holds a lease."""
    pending = "select count(*) from evconduit.webhook_logs where state = 'pending'"
    until(lambda: connection.execute(pending).fetchone() == (0,))
    mine = "from evconduit.webhook_logs where source = 'webhook' and user_id = any (%s)"
    rows = connection.execute(f"select payload, state {mine}", [users]).fetchall()
    assert Counter(digest(payload) for payload, _ in rows) == Counter(digest(it) for it in truth.events)
    assert {state for _, state in rows} == {"done"}
    held = "select count(*) from evconduit.endpoints where leased_until is not null or failures > 0"
    until(lambda: connection.execute(held).fetchone() == (0,))


def check_sessions(connection: psycopg.Connection, cars: dict[str, CarTruth]) -> None:
    """Sessions and counters are what the truth makes of them."""
    for enode_id, car in cars.items():
        of_car = "join evconduit.vehicle_links l on l.vehicle_id = s.vehicle_id where l.enode_vehicle_id = %s"
        rows = connection.execute(
            f"select s.started_at, s.ended_at, s.energy_kwh from evconduit.charging_sessions s {of_car} order by 1",
            [enode_id],
        ).fetchall()
        expected = car.sessions
        assert expected
        assert [row[:2] for row in rows] == [(it.started_at, it.ended_at) for it in expected]
        assert [row[2] or 0.0 for row in rows] == pytest.approx([it.energy for it in expected], abs=1e-6)
        counted, lifetime = connection.execute(
            f"select s.counted_kwh, s.lifetime_kwh from evconduit.vehicle_energy s {of_car}", [enode_id]
        ).fetchone()
        assert counted == pytest.approx(sum(it.energy for it in expected), abs=1e-6)
        assert lifetime >= counted - 1e-9


def check_enode(enode: Enode, answers: dict[str, dict[str, int]]) -> None:
    """Forgeries were refused, and what was signed never was, however broken: else Enode would give up. It did not."""
    for trick, codes in answers.items():
        allowed = {"401", "503", "none"} if trick == "forged" else {"200", "503", "none"}
        assert codes.keys() <= allowed, (trick, codes)
    assert "401" in answers["forged"]
    deliveries = enode.http.get("/_sim/deliveries?events=false", timeout=60).json()
    assert [it for it in deliveries if it["state"] == "failed"] == []
    form = {"grant_type": "client_credentials"}
    token = enode.http.post("/oauth2/token", auth=("client", "client-secret"), data=form).json()["access_token"]
    hooks = enode.http.get("/webhooks", headers={"Authorization": f"Bearer {token}"}).json()["data"]
    assert [it["isActive"] for it in hooks] == [True]


def check_logs(spread: Spread, accounts: list[Account], cars: dict[str, CarTruth]) -> None:
    """No log of any process holds a secret, an address, a VIN or a place."""
    told = {spread.secret, "client-secret", *(it for account in accounts for it in account.secrets)}
    told |= {car.now["information"]["vin"] for car in cars.values()}
    places = {car.now["location"][name] for car in cars.values() for name in ("latitude", "longitude")}
    told |= {str(it) for it in places if it is not None}
    logs = {it.name: it.read_text(errors="replace") for it in spread.folder.rglob("*.log")}
    assert logs.keys() >= {"relay.log", "enode.log", "postgres.log"}
    assert len(logs["relay.log"]) > 0
    assert {name: it for name, text in logs.items() for it in told if it in text} == {}
