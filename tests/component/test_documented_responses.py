"""The client reads what docs/api.md promises. The relay's tests compare the same examples with the relay."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from custom_components.evconduit.client import ChargingSession, EnergyHour, EnergyHourPage, JsonReader, VehicleRecord

API_DOCS = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def load_example(route: str) -> dict[str, Any]:
    """Return the body of the response in a route's section."""
    section = API_DOCS.split(f"### `{route}`")[1].split("\n### ")[0]
    body = section.split("```http")[1].split("```")[0].split("HTTP/1.1 200")[1]
    return json.loads(body[body.index("\n{") :])


def test_energy_hours_are_read():
    page = EnergyHourPage.parse(JsonReader(load_example("GET /api/ha/v2/vehicles/{vehicle_id}/energy-hours")))
    assert page == EnergyHourPage(
        hours=(EnergyHour(start=datetime(2026, 11, 25, 2, tzinfo=UTC), energy_kwh=7.1, cost=2.2, currency="EUR"),),
        energy_kwh_before=0,
        costs_before={},
        complete=True,
        next_from=None,
        cursor="5f0c2b7a91de.3812",
    )


def test_session_is_read():
    session = load_example("GET /api/ha/v2/sessions")["sessions"][0]
    assert ChargingSession.parse(JsonReader(session)) == ChargingSession(
        id=session["id"],
        started_at=datetime(2026, 11, 25, 1, 10, tzinfo=UTC),
        ended_at=datetime(2026, 11, 25, 5, 10, tzinfo=UTC),
        energy_kwh=28.4,
        level_start=31,
        level_end=79,
        at_home=True,
        latitude=52.09,
        longitude=5.12,
        cost=8.8,
        currency="EUR",
    )


def test_record_is_read():
    record = VehicleRecord.parse(JsonReader(load_example("GET /api/ha/v2/vehicles")["vehicles"][0]))
    energy = record.energy
    assert energy is not None
    assert (energy.lifetime_kwh, energy.home_kwh, energy.discharged_kwh) == (312.5, 280.1, 0)
    assert energy.cost is not None
    assert (energy.cost.amount, energy.cost.currency) == (96.88, "EUR")
    assert record.currency == "EUR"
    assert record.current_session is None
    assert record.last_session is not None
    assert record.session is record.last_session
    assert record.link_since == datetime(2026, 11, 20, 8, 15, tzinfo=UTC)
