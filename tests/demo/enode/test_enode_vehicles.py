"""Vehicle objects, polling, events, capabilities and pagination."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.demo.enode.running_simulator import RunningSimulator
from tests.demo.enode.webhook_receiver import WebhookReceiver

UPDATED = "user:vehicle:updated"


def test_discovered_car_has_only_nulls_until_the_first_poll(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.create_subscription(receiver.url)
    enode.complete_link("TESLA", "tesla-model-3")
    event = receiver.wait_for_events("user:vehicle:discovered")[0]
    assert event["user"] == {"id": "u1"}
    assert event["vehicle"]["information"]["brand"] == "Tesla"
    assert set(event["vehicle"]["odometer"].values()) | set(event["vehicle"]["location"].values()) == {None}
    charge = dict(event["vehicle"]["chargeState"])
    assert charge.pop("powerDeliveryState") == "UNKNOWN"
    assert set(charge.values()) == {None}
    assert receiver.list_events(UPDATED) == []
    enode.advance_time(10)
    first = receiver.wait_for_events(UPDATED)[0]
    assert first["vehicle"]["chargeState"]["batteryLevel"] == 51
    assert "chargeState.batteryLevel" in first["updatedFields"]
    assert enode.get_vehicle(first["vehicle"]["id"]) == first["vehicle"]


def test_charging_car_is_polled_every_two_minutes_and_an_idle_one_every_seven(enode: RunningSimulator):
    car = enode.link_car()

    def count_polls(seconds: int) -> int:
        seen = set()
        for _ in range(seconds // 30):
            enode.advance_time(30)
            seen.add(enode.get_vehicle(car)["lastSeen"])
        return len(seen)

    enode.change_car(car, activity="park")
    assert count_polls(21 * 60) in {3, 4}
    enode.change_car(car, activity="charge", battery_level=20)
    assert count_polls(20 * 60) in {10, 11}


def test_plug_changes_are_published_at_once(enode: RunningSimulator, receiver: WebhookReceiver):
    car = enode.link_car()
    enode.create_subscription(receiver.url)
    for activity, state in [
        ("plug_in", "PLUGGED_IN:STOPPED"),
        ("charge", "PLUGGED_IN:CHARGING"),
        ("stop", "PLUGGED_IN:STOPPED"),
        ("unplug", "UNPLUGGED"),
    ]:
        row = enode.change_car(car, activity=activity)
        assert row["vehicle"]["chargeState"]["powerDeliveryState"] == state
    published = [
        event["vehicle"]["chargeState"]["powerDeliveryState"] for event in enode.collect_events(receiver, UPDATED)
    ]
    assert published == ["PLUGGED_IN:STOPPED", "PLUGGED_IN:CHARGING", "PLUGGED_IN:STOPPED", "UNPLUGGED"]


def test_poll_without_changes_publishes_no_event_and_keeps_timestamps(
    enode: RunningSimulator, receiver: WebhookReceiver
):
    car = enode.link_car()
    enode.change_car(car, activity="park")
    before = enode.get_vehicle(car)
    enode.create_subscription(receiver.url)
    enode.advance_time(3600)
    assert enode.collect_events(receiver, UPDATED) == []
    after = enode.get_vehicle(car)
    assert after["lastSeen"] > before["lastSeen"]
    assert {**after, "lastSeen": ""} == {**before, "lastSeen": ""}


def test_group_timestamp_changes_only_with_its_values(enode: RunningSimulator):
    car = enode.link_car()
    before = enode.change_car(car, activity="plug_in")["vehicle"]
    while enode.json("GET", "/_sim/clock")["now"] <= before["chargeState"]["lastUpdated"]:
        pass
    after = enode.change_car(car, activity="charge")["vehicle"]
    assert after["chargeState"]["lastUpdated"] > before["chargeState"]["lastUpdated"]
    assert after["odometer"] == before["odometer"]
    assert after["location"] == before["location"]


def test_charge_rises_tapers_and_completes_at_the_limit(enode: RunningSimulator, receiver: WebhookReceiver):
    car = enode.link_car()
    enode.create_subscription(receiver.url)
    enode.change_car(car, activity="charge", battery_level=70, charge_limit=80)
    enode.advance_time(3 * 3600)
    charges = [event["vehicle"]["chargeState"] for event in enode.collect_events(receiver, UPDATED)]
    levels = [charge["batteryLevel"] for charge in charges]
    assert (levels, levels[0], levels[-1]) == (sorted(levels), 70, 80)
    assert (charges[0]["chargeRate"], charges[0]["isCharging"]) == (11.0, True)
    assert 1 < charges[-2]["chargeRate"] < 4
    remaining = [charge["chargeTimeRemaining"] for charge in charges[:-1]]
    assert remaining == sorted(remaining, reverse=True)
    end = charges[-1]
    assert end["powerDeliveryState"] == "PLUGGED_IN:COMPLETE"
    assert (end["isFullyCharged"], end["chargeRate"], end["chargeTimeRemaining"]) == (True, None, None)


def test_drive_uses_energy_and_changes_odometer_and_location(enode: RunningSimulator):
    car = enode.link_car()
    before = enode.change_car(car, activity="drive")["vehicle"]
    enode.advance_time(1800)
    after = enode.get_vehicle(car)
    driven = after["odometer"]["distance"] - before["odometer"]["distance"]
    assert 24 <= driven <= 31
    assert after["chargeState"]["batteryLevel"] < before["chargeState"]["batteryLevel"]
    assert after["location"]["latitude"] != before["location"]["latitude"]


def test_uncommanded_car_repeats_its_daily_routine(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.create_subscription(receiver.url)
    enode.link_car()
    enode.advance_time(12 * 3600)
    states = [
        event["vehicle"]["chargeState"]["powerDeliveryState"] for event in enode.collect_events(receiver, UPDATED)
    ]
    transitions = [state for before, state in zip([None, *states], states, strict=False) if state != before]
    day = ["UNPLUGGED", "PLUGGED_IN:INITIALIZING", "PLUGGED_IN:CHARGING", "PLUGGED_IN:COMPLETE"]
    assert transitions[:9] == [*day, *day, "UNPLUGGED"]


def test_set_activity_lasts_until_auto(enode: RunningSimulator):
    car = enode.link_car()
    enode.change_car(car, activity="park")
    enode.advance_time(6 * 3600)
    assert enode.json("GET", f"/_sim/vehicles/{car}") | {"vehicle": None} == {
        "vehicle": None,
        "activity": "parked",
        "pinned": True,
    }
    assert enode.change_car(car, activity="auto")["pinned"] is False
    enode.advance_time(600)
    assert enode.json("GET", f"/_sim/vehicles/{car}")["activity"] == "charging"


def test_unreachable_car_keeps_its_last_values(enode: RunningSimulator, receiver: WebhookReceiver):
    car = enode.link_car()
    before = enode.change_car(car, activity="plug_in", battery_level=40)["vehicle"]
    enode.create_subscription(receiver.url)
    enode.change_car(car, reachable=False)
    assert receiver.wait_for_events(UPDATED)[0]["updatedFields"] == ["isReachable"]
    after = enode.change_car(car, battery_level=77)["vehicle"]
    assert after == {**before, "isReachable": False}
    vehicle = enode.change_car(car, reachable=True)["vehicle"]
    assert (vehicle["isReachable"], vehicle["chargeState"]["batteryLevel"]) == (True, 77)


def test_refresh_hint_brings_the_next_poll_forward(enode: RunningSimulator):
    car = enode.link_car()
    enode.advance_time(60)
    last_seen = enode.get_vehicle(car)["lastSeen"]
    enode.json("POST", f"/vehicles/{car}/refresh-hint", status=204)
    assert enode.get_vehicle(car)["lastSeen"] == last_seen
    enode.advance_time(5)
    assert enode.get_vehicle(car)["lastSeen"] > last_seen


def test_vendor_with_few_values_reports_nulls_and_refuses_commands(enode: RunningSimulator):
    car = enode.link_car("nissan-leaf")
    vehicle = enode.change_car(car, activity="charge", battery_level=30)["vehicle"]
    assert vehicle["information"] | {"brand": "", "model": ""} == {
        "vin": None, "brand": "", "model": "", "year": None, "displayName": None,
    }  # fmt: skip
    assert vehicle["isReachable"] is None
    assert vehicle["odometer"] == {"distance": None, "lastUpdated": None}
    assert vehicle["location"] == {"id": None, "latitude": None, "longitude": None, "lastUpdated": None}
    charge = vehicle["chargeState"]
    assert (charge["batteryLevel"], charge["chargeRate"], charge["batteryCapacity"]) == (30, None, None)
    assert vehicle["capabilities"]["startCharging"] == {"isCapable": False, "interventionIds": []}
    problem = enode.send_command(car, "STOP", status=400)
    assert "not capable" in problem["detail"]


def test_intervention_blocks_a_capability(enode: RunningSimulator):
    vehicle = enode.get_vehicle(enode.link_car("volkswagen-id4"))
    blocked = vehicle["capabilities"]["smartCharging"]
    assert blocked["isCapable"] is False
    what = enode.json("GET", f"/interventions/{blocked['interventionIds'][0]}")
    assert (what["vendor"], what["resolution"]["access"]) == ("VOLKSWAGEN", "Physical")
    assert what in enode.json("GET", "/interventions?vendor=VOLKSWAGEN&vendorType=vehicle")
    assert what not in enode.json("GET", "/interventions?vendor=TESLA")
    enode.json("GET", f"/interventions/{vehicle['id']}", status=404)


def test_one_vendor_reports_unplugged_when_the_car_is_full(enode: RunningSimulator):
    car = enode.link_car("xpeng-g6")
    row = enode.change_car(car, activity="charge", battery_level=90, charge_limit=90)
    assert row["activity"] == "complete"
    charge = row["vehicle"]["chargeState"]
    assert (charge["powerDeliveryState"], charge["isPluggedIn"], charge["isFullyCharged"]) == ("UNPLUGGED", False, True)


def test_values_without_a_granted_scope_are_null(enode: RunningSimulator):
    vehicle = enode.get_vehicle(enode.link_car(scopes=["vehicle:read:data"]))
    assert vehicle["location"] == {"id": None, "latitude": None, "longitude": None, "lastUpdated": None}
    capable = {name: capability["isCapable"] for name, capability in vehicle["capabilities"].items()}
    assert (capable["location"], capable["startCharging"], capable["chargeState"]) == (False, False, True)


def test_car_at_a_users_location_has_its_id(enode: RunningSimulator):
    car = enode.link_car()
    home = {"name": "Home", "latitude": 52.0907, "longitude": 5.1214, "timezoneName": "Europe/Amsterdam"}
    location = enode.json("POST", "/users/u1/locations", home)
    enode.change_car(car, activity="drive")
    enode.advance_time(900)
    assert enode.get_vehicle(car)["location"]["id"] is None
    enode.change_car(car, activity="auto")
    for _ in range(12):
        enode.advance_time(600)
    assert enode.json("GET", f"/_sim/vehicles/{car}")["activity"] == "charging"
    assert enode.get_vehicle(car)["location"]["id"] == location["id"]


def test_timestamps_are_real_at_high_speed(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.create_subscription(receiver.url)
    enode.link_car()
    enode.advance_time(8 * 3600)
    limit = datetime.now(UTC) + timedelta(seconds=2)
    created = [datetime.fromisoformat(event["createdAt"]) for event in enode.collect_events(receiver, UPDATED)]
    assert len(created) > 50
    assert created == sorted(set(created))
    assert limit - timedelta(seconds=30) < created[0]
    assert created[-1] < limit


def test_speed_can_change_while_running(enode: RunningSimulator):
    enode.json("POST", "/_sim/clock", {"speed": 36_000})
    start = enode.json("GET", "/_sim/clock")["seconds"]
    deadline = time.monotonic() + 60
    while enode.json("GET", "/_sim/clock")["seconds"] < start + 3600:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    stopped = enode.json("POST", "/_sim/clock", {"speed": 0})["seconds"]
    assert enode.json("GET", "/_sim/clock")["seconds"] == stopped


def test_pages_can_be_followed_in_both_directions(enode: RunningSimulator):
    cars = [enode.link_car(user=f"u{number}") for number in range(5)]
    first = enode.json("GET", "/vehicles?pageSize=2")
    assert first["pagination"]["before"] is None
    second = enode.json("GET", f"/vehicles?pageSize=2&after={first['pagination']['after']}")
    third = enode.json("GET", f"/vehicles?pageSize=2&after={second['pagination']['after']}")
    assert [row["id"] for page in (first, second, third) for row in page["data"]] == cars
    assert third["pagination"]["after"] is None
    previous_page = enode.json("GET", f"/vehicles?pageSize=2&before={third['pagination']['before']}")
    assert previous_page == second
    assert len(enode.json("GET", "/users?pageSize=3")["data"]) == 3


@pytest.mark.parametrize("query", ["pageSize=0", "pageSize=many", "after=%21", "after=YQ==&before=YQ=="])
def test_invalid_page_parameters_return_400(enode: RunningSimulator, query: str):
    assert enode.json("GET", f"/vehicles?{query}", status=400)["title"] == "Bad Request"


def test_unknown_objects_and_routes_return_enodes_problem_format(enode: RunningSimulator):
    problem = enode.json("GET", "/vehicles/nobody", status=404)
    assert problem["type"] == "https://developers.enode.com/api/problems/not-found"
    assert problem.keys() == {"type", "title", "detail"}
    assert enode.json("GET", "/users/nobody", status=404)["title"] == "User does not exist"
    assert enode.json("GET", "/no/such/route", status=404)["title"] == "Not Found"
    assert enode.json("POST", "/vehicles", status=405)["title"] == "Method Not Allowed"
