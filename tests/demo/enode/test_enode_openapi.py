"""Validate the simulator against Enode's own OpenAPI document. All other tests validate their responses, too."""

from typing import Any

import pytest

from demo.enode.linking import Language, Scope
from demo.enode.webhook_subscriptions import EventName
from tests.demo.enode.openapi_validator import OpenApiValidator
from tests.demo.enode.running_simulator import RunningSimulator
from tests.demo.enode.webhook_receiver import WebhookReceiver

HOME = {"name": "Home", "latitude": 52.09, "longitude": 5.12, "timezoneName": "Europe/Amsterdam"}

# Parts of the document that are not simulated.
NOT_SIMULATED = ("batter", "charger", "hvac", "inverter", "meter", "hem-systems", "schedules", "tariff", "statistics")
NEVER_ANSWERED = {
    ("GET", "/health/ready", 503),  # only with an injected fault
    ("POST", "/users/{userId}/link", 403),  # no connection limit
}


def test_every_documented_vehicle_response_occurs_and_is_valid(
    enode: RunningSimulator, receiver: WebhookReceiver, validator: OpenApiValidator
):
    validator.seen.clear()
    request_every_answer(enode, receiver)
    documented = {
        answer for answer in validator.list_documented_answers() if not any(name in answer[1] for name in NOT_SIMULATED)
    }
    assert documented - validator.seen - NEVER_ANSWERED == set()


def request_every_answer(enode: RunningSimulator, receiver: WebhookReceiver) -> None:
    """Request every documented response."""
    subscription = enode.create_subscription(receiver.url)["id"]
    enode.json("POST", "/webhooks", {"url": "nowhere", "secret": "x"}, status=400)
    for path in ("/webhooks", f"/webhooks/{subscription}", "/users", "/vehicles", "/interventions", "/integrations"):
        enode.json("GET", path)
    enode.json("POST", f"/webhooks/{subscription}/test")
    enode.json("PATCH", f"/webhooks/{subscription}", {"events": ["*"]})
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test")):
        enode.json(method, f"/webhooks/none{path}", {} if method == "PATCH" else None, status=404)
    for kind in ("vehicles", "chargers", "batteries", "inverters", "hvacs", "meters"):
        enode.json("GET", f"/health/{kind}")
    enode.json("GET", "/health/ready", status=204)
    car = enode.link_car()
    request_vehicle_answers(enode, car)
    request_action_answers(enode, car)
    intervention = enode.json("GET", "/interventions")[0]["id"]
    enode.json("GET", f"/interventions/{intervention}")
    enode.json("GET", "/interventions/none", status=404)
    request_location_answers(enode)
    body = {"language": "en-US", "redirectUri": "https://app.example"}
    enode.json("POST", f"/assets/{car}/relink", body, status=400)
    enode.change_car(car, credentials_valid=False)
    enode.json("POST", f"/assets/{car}/relink", body)
    enode.json("GET", "/users/u1")
    enode.json("GET", "/users/u1/vehicles")
    enode.json("DELETE", "/users/u1/vendors/TESLA", status=204)
    enode.link_car()
    enode.json("DELETE", "/users/u1/vendors/TESLA/vehicle", status=204)
    enode.json("DELETE", "/users/u1/authorization", status=204)
    enode.json("DELETE", "/users/u1", status=204)
    enode.json("DELETE", f"/webhooks/{subscription}", status=204)


def request_vehicle_answers(enode: RunningSimulator, car: str) -> None:
    """Request every documented response about a vehicle."""
    enode.get_vehicle(car)
    enode.json("POST", f"/vehicles/{car}/refresh-hint", status=204)
    enode.json("POST", "/vehicles/none/refresh-hint", status=404)
    policy = f"/vehicles/{car}/smart-charging-policy"
    enode.json("GET", policy)
    enode.json("PUT", policy, {"isEnabled": True}, status=400)
    enode.json("GET", f"/vehicles/{car}/smart-charging-status")
    enode.json("DELETE", f"/vehicles/{car}/smart-override", status=404)
    enode.change_car(car, activity="plug_in", battery_level=30)
    enode.json("PUT", policy, {"isEnabled": True, "deadline": "07:00"})
    enode.send_command(car, "START", status=422)
    enode.json("POST", f"/vehicles/{car}/smart-override")
    enode.json("GET", f"/vehicles/{car}/smart-charging-status")
    enode.json("DELETE", f"/vehicles/{car}/smart-override")
    request_plan_answers(enode, car)
    enode.json("PUT", policy, {"isEnabled": False})


def request_plan_answers(enode: RunningSimulator, car: str) -> None:
    """Request every documented response about the price at a location, and about the plan of a car there."""
    vehicle = enode.get_vehicle(car)
    place = {key: vehicle["location"][key] for key in ("latitude", "longitude")}
    body = {"name": "Home", "timezoneName": "Europe/Oslo", **place}
    location = enode.json("POST", f"/users/{vehicle['userId']}/locations", body)["id"]
    enode.json("PUT", "/tariffs/T-1", [{"name": "DAY", "cost": "0.31"}], status=204)
    enode.json("GET", "/tariffs/T-1")
    day = {"name": "DAY", "from": "06:00", "to": "22:00"}
    schedule = {"tariffId": "T-1", "tariffIntervals": [day]}
    enode.json("PUT", f"/locations/{location}/tariff", schedule, status=204)
    enode.json("PUT", f"/locations/{location}/tariff", schedule | {"tariffIntervals": [day, day]}, status=400)
    enode.json("PUT", f"/locations/{location}/tariff", schedule | {"tariffId": "T-2"}, status=404)
    assert len(enode.json("GET", f"/locations/{location}/tariff")) == 7
    enode.json("GET", f"/locations/{'0' * 8}-0000-4000-8000-{'0' * 12}/tariff", status=404)
    enode.change_car(car, activity="charge", battery_level=30)
    enode.advance_time(900)
    assert enode.json("GET", f"/vehicles/{car}/smart-charging-plans/latest")["locationId"] == location
    enode.json("GET", f"/vehicles/{car}/smart-charging-status")
    enode.json("DELETE", f"/locations/{location}")


def request_action_answers(enode: RunningSimulator, car: str) -> None:
    """Request every documented response about actions."""
    enode.advance_time(100)
    enode.change_car(car, activity="stop")
    enode.send_command(car, "STOP", status=400)
    action = enode.send_command(car, "START")["id"]
    enode.json("GET", f"/vehicles/actions/{action}")
    enode.json("POST", f"/vehicles/actions/{action}/cancel")
    enode.json("POST", f"/vehicles/actions/{action}/cancel", status=409)
    unknown_id = "00000000-0000-4000-8000-000000000000"
    enode.json("GET", f"/vehicles/actions/{unknown_id}", status=404)
    enode.json("POST", f"/vehicles/actions/{unknown_id}/cancel", status=404)
    enode.json("POST", f"/vehicles/{car}/max-current", {"maxCurrent": 10})
    enode.json("POST", f"/vehicles/{car}/max-current", {}, status=400)


def request_location_answers(enode: RunningSimulator) -> None:
    """Request every documented response about locations."""
    location = enode.json("POST", "/users/u1/locations", HOME)["id"]
    enode.json("GET", "/locations")
    enode.json("GET", "/users/u1/locations")
    enode.json("GET", f"/locations/{location}")
    enode.json("PUT", f"/locations/{location}", {"name": "There"})
    enode.json("DELETE", f"/locations/{location}")
    enode.json("GET", f"/locations/{location}", status=404)


@pytest.mark.usefixtures("validator")
def test_every_vehicle_event_is_valid(enode: RunningSimulator, receiver: WebhookReceiver):
    # The receiver fixture validates all received events at the end of the test.
    subscription = enode.create_subscription(receiver.url)["id"]
    for model in ("tesla-model-3", "volkswagen-id4", "xpeng-g6", "nissan-leaf"):
        enode.link_car(model)
    enode.advance_time(7 * 3600)
    request_vehicle_answers(enode, enode.link_car(user="u2"))
    car = enode.link_car(user="u3")
    request_action_answers(enode, car)
    enode.change_car(car, credentials_valid=False)
    enode.json("DELETE", "/users/u3/vendors/TESLA", status=204)
    enode.json("POST", f"/webhooks/{subscription}/test")
    enode.collect_events(receiver, "")
    names = {event["event"] for delivery in receiver.deliveries for event in delivery.events}
    assert names == {
        "user:vehicle:discovered",
        "user:vehicle:updated",
        "user:vehicle:deleted",
        "user:vehicle:smart-charging-status-updated",
        "user:vendor-action:updated",
        "user:credentials:invalidated",
        "system:heartbeat",
        "enode:webhook:test",
    }


def with_change(good: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return the object with one member replaced, or removed if the value is Ellipsis."""
    first, _, rest = path.partition(".")
    if rest:
        return {**good, first: with_change(good[first], rest, value)}
    return {name: member for name, member in good.items() if name != first} | ({} if value is ... else {first: value})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("surprise", 1),
        ("location.surprise", 1),
        ("chargeState.surprise", 1),
        ("location", ...),
        ("chargeState.batteryLevel", "57"),
        ("chargeState.batteryLevel", ...),
        ("chargeState.powerDeliveryState", None),
        ("chargeState.powerDeliveryState", "PLUGGED_IN"),
        ("capabilities.startCharging", ...),
        ("capabilities.startCharging.interventionIds", None),
        ("vendor", "tesla"),
        ("lastSeen", None),
    ],
)
def test_validator_finds_invalid_values(enode: RunningSimulator, validator: OpenApiValidator, path: str, value: Any):
    good = enode.get_vehicle(enode.link_car())
    event = {
        "event": "user:vehicle:deleted",
        "createdAt": good["lastSeen"],
        "version": "2024-10-01",
        "user": {"id": "u1"},
        "vehicle": good,
    }
    assert validator.find_event_faults(event) == []
    assert validator.find_event_faults({**event, "vehicle": with_change(good, path, value)})


def test_enumerations_match_enodes_document(validator: OpenApiValidator):
    assert validator.list_enum_values("WebhookCreatePayload", "events") == set(EventName.__args__)
    assert validator.list_enum_values("LinkUserPayload", "language") == set(Language.__args__)
    assert validator.list_enum_values("LinkUserPayload", "scopes") == set(Scope.__args__)
