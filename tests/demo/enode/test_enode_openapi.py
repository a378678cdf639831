"""Enode's own OpenAPI document judges the simulator. The other tests let it judge each of their answers as well."""

from typing import Any

import pytest

from demo.enode.linking import Language, Scope
from demo.enode.subscriptions import EventName
from tests.demo.enode.hooks import Receiver
from tests.demo.enode.openapi import Judge
from tests.demo.enode.running import Running

HOME = {"name": "Home", "latitude": 52.09, "longitude": 5.12, "timezoneName": "Europe/Amsterdam"}

# Chapters of the document that this world has only to say that it has nothing of them.
ELSEWHERE = ("batter", "charger", "hvac", "inverter", "meter", "hem-systems", "schedules", "tariff", "statistics")
UNREACHABLE = {
    ("GET", "/health/ready", 503),  # a simulator that is down says nothing; faults can make it
    ("POST", "/users/{userId}/link", 403),  # no limit of connections
    ("GET", "/vehicles/{vehicleId}/smart-charging-plans/{smartChargingPlanId}", 200),  # no plans
}


def test_every_documented_answer_about_vehicles_is_given_and_fits(enode: Running, receiver: Receiver, oracle: Judge):
    oracle.seen.clear()
    walk(enode, receiver)
    documented = {it for it in oracle.documented() if not any(word in it[1] for word in ELSEWHERE)}
    assert documented - oracle.seen - UNREACHABLE == set()


def walk(enode: Running, receiver: Receiver) -> None:
    """Ask for every answer that there is."""
    hook = enode.subscribe(receiver.url)["id"]
    enode.json("POST", "/webhooks", {"url": "nowhere", "secret": "x"}, status=400)
    for path in ("/webhooks", f"/webhooks/{hook}", "/users", "/vehicles", "/interventions", "/integrations"):
        enode.json("GET", path)
    enode.json("POST", f"/webhooks/{hook}/test")
    enode.json("PATCH", f"/webhooks/{hook}", {"events": ["*"]})
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test")):
        enode.json(method, f"/webhooks/none{path}", {} if method == "PATCH" else None, status=404)
    for kind in ("vehicles", "chargers", "batteries", "inverters", "hvacs", "meters"):
        enode.json("GET", f"/health/{kind}")
    enode.json("GET", "/health/ready", status=204)
    car = enode.linked_car()
    walk_vehicle(enode, car)
    walk_actions(enode, car)
    intervention = enode.json("GET", "/interventions")[0]["id"]
    enode.json("GET", f"/interventions/{intervention}")
    enode.json("GET", "/interventions/none", status=404)
    walk_places(enode)
    wish = {"language": "en-US", "redirectUri": "https://app.example"}
    enode.json("POST", f"/assets/{car}/relink", wish, status=400)
    enode.car(car, credentials_valid=False)
    enode.json("POST", f"/assets/{car}/relink", wish)
    enode.json("GET", "/users/u1")
    enode.json("GET", "/users/u1/vehicles")
    enode.json("DELETE", "/users/u1/vendors/TESLA", status=204)
    enode.linked_car()
    enode.json("DELETE", "/users/u1/vendors/TESLA/vehicle", status=204)
    enode.json("DELETE", "/users/u1/authorization", status=204)
    enode.json("DELETE", "/users/u1", status=204)
    enode.json("DELETE", f"/webhooks/{hook}", status=204)


def walk_vehicle(enode: Running, car: str) -> None:
    """What can be asked of a vehicle."""
    enode.vehicle(car)
    enode.json("POST", f"/vehicles/{car}/refresh-hint", status=204)
    enode.json("POST", "/vehicles/none/refresh-hint", status=404)
    policy = f"/vehicles/{car}/smart-charging-policy"
    enode.json("GET", policy)
    enode.json("PUT", policy, {"isEnabled": True}, status=400)
    enode.json("GET", f"/vehicles/{car}/smart-charging-status")
    enode.json("DELETE", f"/vehicles/{car}/smart-override", status=404)
    enode.car(car, activity="plug_in", battery_level=30)
    enode.json("PUT", policy, {"isEnabled": True, "deadline": "07:00"})
    enode.command(car, "START", status=422)
    enode.json("POST", f"/vehicles/{car}/smart-override")
    enode.json("GET", f"/vehicles/{car}/smart-charging-status")
    enode.json("DELETE", f"/vehicles/{car}/smart-override")
    enode.json("PUT", policy, {"isEnabled": False})


def walk_actions(enode: Running, car: str) -> None:
    """What can become of a command."""
    enode.pass_time(100)
    enode.car(car, activity="stop")
    enode.command(car, "STOP", status=400)
    action = enode.command(car, "START")["id"]
    enode.json("GET", f"/vehicles/actions/{action}")
    enode.json("POST", f"/vehicles/actions/{action}/cancel")
    enode.json("POST", f"/vehicles/actions/{action}/cancel", status=409)
    nowhere = "00000000-0000-4000-8000-000000000000"
    enode.json("GET", f"/vehicles/actions/{nowhere}", status=404)
    enode.json("POST", f"/vehicles/actions/{nowhere}/cancel", status=404)
    enode.json("POST", f"/vehicles/{car}/max-current", {"maxCurrent": 10})
    enode.json("POST", f"/vehicles/{car}/max-current", {}, status=400)


def walk_places(enode: Running) -> None:
    """The places of a user."""
    place = enode.json("POST", "/users/u1/locations", HOME)["id"]
    enode.json("GET", "/locations")
    enode.json("GET", "/users/u1/locations")
    enode.json("GET", f"/locations/{place}")
    enode.json("PUT", f"/locations/{place}", {"name": "There"})
    enode.json("DELETE", f"/locations/{place}")
    enode.json("GET", f"/locations/{place}", status=404)


@pytest.mark.usefixtures("oracle")
def test_every_kind_of_event_that_cars_cause_fits(enode: Running, receiver: Receiver):
    # The receiver has each element of each delivery judged when the test is over.
    hook = enode.subscribe(receiver.url)["id"]
    for model in ("tesla-model-3", "volkswagen-id4", "xpeng-g6", "nissan-leaf"):
        enode.linked_car(model)
    enode.pass_time(7 * 3600)
    walk_vehicle(enode, enode.linked_car(user="u2"))
    car = enode.linked_car(user="u3")
    walk_actions(enode, car)
    enode.car(car, credentials_valid=False)
    enode.json("DELETE", "/users/u3/vendors/TESLA", status=204)
    enode.json("POST", f"/webhooks/{hook}/test")
    enode.told(receiver, "")
    names = {event["event"] for it in receiver.arrivals for event in it.events}
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


def spoiled(good: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The same object with one thing other; a value of Ellipsis takes it away."""
    first, _, rest = path.partition(".")
    if rest:
        return {**good, first: spoiled(good[first], rest, value)}
    return {name: it for name, it in good.items() if name != first} | ({} if value is ... else {first: value})


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
def test_the_judge_sees_what_is_wrong(enode: Running, oracle: Judge, path: str, value: Any):
    good = enode.vehicle(enode.linked_car())
    event = {
        "event": "user:vehicle:deleted",
        "createdAt": good["lastSeen"],
        "version": "2024-10-01",
        "user": {"id": "u1"},
        "vehicle": good,
    }
    assert oracle.event(event) == []
    assert oracle.event({**event, "vehicle": spoiled(good, path, value)})


def test_our_lists_of_words_are_enodes(oracle: Judge):
    assert oracle.words("WebhookCreatePayload", "events") == set(EventName.__args__)
    assert oracle.words("LinkUserPayload", "language") == set(Language.__args__)
    assert oracle.words("LinkUserPayload", "scopes") == set(Scope.__args__)
