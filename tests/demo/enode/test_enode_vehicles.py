"""What Enode shows of a car, when it looks, and what it tells."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.demo.enode.running_simulator import RunningSimulator
from tests.demo.enode.webhook_receiver import WebhookReceiver

UPDATED = "user:vehicle:updated"


def test_a_discovered_car_is_all_nulls_until_the_first_look(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.create_subscription(receiver.url)
    enode.complete_link("TESLA", "tesla-model-3")
    found = receiver.wait_for_events("user:vehicle:discovered")[0]
    assert found["user"] == {"id": "u1"}
    assert found["vehicle"]["information"]["brand"] == "Tesla"
    assert set(found["vehicle"]["odometer"].values()) | set(found["vehicle"]["location"].values()) == {None}
    charge = dict(found["vehicle"]["chargeState"])
    assert charge.pop("powerDeliveryState") == "UNKNOWN"
    assert set(charge.values()) == {None}
    assert receiver.list_events(UPDATED) == []
    enode.advance_time(10)
    first = receiver.wait_for_events(UPDATED)[0]
    assert first["vehicle"]["chargeState"]["batteryLevel"] == 51
    assert "chargeState.batteryLevel" in first["updatedFields"]
    assert enode.get_vehicle(first["vehicle"]["id"]) == first["vehicle"]


def test_a_charging_car_is_looked_at_every_two_minutes_and_an_idle_one_every_seven(enode: RunningSimulator):
    car = enode.link_car()

    def looks(seconds: int) -> int:
        seen = set()
        for _ in range(seconds // 30):
            enode.advance_time(30)
            seen.add(enode.get_vehicle(car)["lastSeen"])
        return len(seen)

    enode.change_car(car, activity="park")
    assert looks(21 * 60) in {3, 4}
    enode.change_car(car, activity="charge", battery_level=20)
    assert looks(20 * 60) in {10, 11}


def test_what_happens_at_the_plug_is_told_at_once(enode: RunningSimulator, receiver: WebhookReceiver):
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
    told = [it["vehicle"]["chargeState"]["powerDeliveryState"] for it in enode.collect_events(receiver, UPDATED)]
    assert told == ["PLUGGED_IN:STOPPED", "PLUGGED_IN:CHARGING", "PLUGGED_IN:STOPPED", "UNPLUGGED"]


def test_a_look_that_finds_nothing_new_tells_nothing_and_dates_nothing(
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


def test_a_group_is_dated_only_when_it_changed(enode: RunningSimulator):
    car = enode.link_car()
    before = enode.change_car(car, activity="plug_in")["vehicle"]
    while enode.json("GET", "/_sim/clock")["now"] <= before["chargeState"]["lastUpdated"]:
        pass
    after = enode.change_car(car, activity="charge")["vehicle"]
    assert after["chargeState"]["lastUpdated"] > before["chargeState"]["lastUpdated"]
    assert after["odometer"] == before["odometer"]
    assert after["location"] == before["location"]


def test_a_charge_rises_tapers_and_completes_at_the_limit(enode: RunningSimulator, receiver: WebhookReceiver):
    car = enode.link_car()
    enode.create_subscription(receiver.url)
    enode.change_car(car, activity="charge", battery_level=70, charge_limit=80)
    enode.advance_time(3 * 3600)
    charges = [it["vehicle"]["chargeState"] for it in enode.collect_events(receiver, UPDATED)]
    levels = [it["batteryLevel"] for it in charges]
    assert (levels, levels[0], levels[-1]) == (sorted(levels), 70, 80)
    assert (charges[0]["chargeRate"], charges[0]["isCharging"]) == (11.0, True)
    assert 1 < charges[-2]["chargeRate"] < 4
    remaining = [it["chargeTimeRemaining"] for it in charges[:-1]]
    assert remaining == sorted(remaining, reverse=True)
    end = charges[-1]
    assert end["powerDeliveryState"] == "PLUGGED_IN:COMPLETE"
    assert (end["isFullyCharged"], end["chargeRate"], end["chargeTimeRemaining"]) == (True, None, None)


def test_a_drive_uses_energy_and_moves_odometer_and_place(enode: RunningSimulator):
    car = enode.link_car()
    before = enode.change_car(car, activity="drive")["vehicle"]
    enode.advance_time(1800)
    after = enode.get_vehicle(car)
    driven = after["odometer"]["distance"] - before["odometer"]["distance"]
    assert 24 <= driven <= 31
    assert after["chargeState"]["batteryLevel"] < before["chargeState"]["batteryLevel"]
    assert after["location"]["latitude"] != before["location"]["latitude"]


def test_a_car_left_alone_lives_its_day_again_and_again(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.create_subscription(receiver.url)
    enode.link_car()
    enode.advance_time(12 * 3600)
    states = [it["vehicle"]["chargeState"]["powerDeliveryState"] for it in enode.collect_events(receiver, UPDATED)]
    story = [it for before, it in zip([None, *states], states, strict=False) if it != before]
    day = ["UNPLUGGED", "PLUGGED_IN:INITIALIZING", "PLUGGED_IN:CHARGING", "PLUGGED_IN:COMPLETE"]
    assert story[:9] == [*day, *day, "UNPLUGGED"]


def test_a_commanded_car_keeps_to_it_until_it_is_given_back(enode: RunningSimulator):
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


def test_a_car_out_of_reach_keeps_what_was_last_known(enode: RunningSimulator, receiver: WebhookReceiver):
    car = enode.link_car()
    before = enode.change_car(car, activity="plug_in", battery_level=40)["vehicle"]
    enode.create_subscription(receiver.url)
    enode.change_car(car, reachable=False)
    assert receiver.wait_for_events(UPDATED)[0]["updatedFields"] == ["isReachable"]
    after = enode.change_car(car, battery_level=77)["vehicle"]
    assert after == {**before, "isReachable": False}
    back = enode.change_car(car, reachable=True)["vehicle"]
    assert (back["isReachable"], back["chargeState"]["batteryLevel"]) == (True, 77)


def test_a_refresh_hint_brings_the_next_look_forward(enode: RunningSimulator):
    car = enode.link_car()
    enode.advance_time(60)
    seen = enode.get_vehicle(car)["lastSeen"]
    enode.json("POST", f"/vehicles/{car}/refresh-hint", status=204)
    assert enode.get_vehicle(car)["lastSeen"] == seen
    enode.advance_time(5)
    assert enode.get_vehicle(car)["lastSeen"] > seen


def test_a_modest_vendor_leaves_nulls_and_cannot_be_commanded(enode: RunningSimulator):
    car = enode.link_car("nissan-leaf")
    seen = enode.change_car(car, activity="charge", battery_level=30)["vehicle"]
    assert seen["information"] | {"brand": "", "model": ""} == {
        "vin": None, "brand": "", "model": "", "year": None, "displayName": None,
    }  # fmt: skip
    assert seen["isReachable"] is None
    assert seen["odometer"] == {"distance": None, "lastUpdated": None}
    assert seen["location"] == {"id": None, "latitude": None, "longitude": None, "lastUpdated": None}
    charge = seen["chargeState"]
    assert (charge["batteryLevel"], charge["chargeRate"], charge["batteryCapacity"]) == (30, None, None)
    assert seen["capabilities"]["startCharging"] == {"isCapable": False, "interventionIds": []}
    problem = enode.send_command(car, "STOP", status=400)
    assert "not capable" in problem["detail"]


def test_an_intervention_stands_before_a_capability(enode: RunningSimulator):
    seen = enode.get_vehicle(enode.link_car("volkswagen-id4"))
    blocked = seen["capabilities"]["smartCharging"]
    assert blocked["isCapable"] is False
    what = enode.json("GET", f"/interventions/{blocked['interventionIds'][0]}")
    assert (what["vendor"], what["resolution"]["access"]) == ("VOLKSWAGEN", "Physical")
    assert what in enode.json("GET", "/interventions?vendor=VOLKSWAGEN&vendorType=vehicle")
    assert what not in enode.json("GET", "/interventions?vendor=TESLA")
    enode.json("GET", f"/interventions/{seen['id']}", status=404)


def test_one_vendor_forgets_the_cable_once_the_car_is_full(enode: RunningSimulator):
    car = enode.link_car("xpeng-g6")
    row = enode.change_car(car, activity="charge", battery_level=90, charge_limit=90)
    assert row["activity"] == "complete"
    charge = row["vehicle"]["chargeState"]
    assert (charge["powerDeliveryState"], charge["isPluggedIn"], charge["isFullyCharged"]) == ("UNPLUGGED", False, True)


def test_what_the_user_did_not_grant_is_not_shown(enode: RunningSimulator):
    seen = enode.get_vehicle(enode.link_car(scopes=["vehicle:read:data"]))
    assert seen["location"] == {"id": None, "latitude": None, "longitude": None, "lastUpdated": None}
    capable = {name: it["isCapable"] for name, it in seen["capabilities"].items()}
    assert (capable["location"], capable["startCharging"], capable["chargeState"]) == (False, False, True)


def test_a_car_at_a_place_of_its_user_names_it(enode: RunningSimulator):
    car = enode.link_car()
    home = {"name": "Home", "latitude": 52.0907, "longitude": 5.1214, "timezoneName": "Europe/Amsterdam"}
    place = enode.json("POST", "/users/u1/locations", home)
    enode.change_car(car, activity="drive")
    enode.advance_time(900)
    assert enode.get_vehicle(car)["location"]["id"] is None
    enode.change_car(car, activity="auto")
    for _ in range(12):
        enode.advance_time(600)
    assert enode.json("GET", f"/_sim/vehicles/{car}")["activity"] == "charging"
    assert enode.get_vehicle(car)["location"]["id"] == place["id"]


def test_time_is_fast_but_timestamps_are_real(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.create_subscription(receiver.url)
    enode.link_car()
    enode.advance_time(8 * 3600)
    limit = datetime.now(UTC) + timedelta(seconds=2)
    created = [datetime.fromisoformat(it["createdAt"]) for it in enode.collect_events(receiver, UPDATED)]
    assert len(created) > 50
    assert created == sorted(set(created))
    assert limit - timedelta(seconds=30) < created[0]
    assert created[-1] < limit


def test_the_clock_factor_can_change_while_it_runs(enode: RunningSimulator):
    enode.json("POST", "/_sim/clock", {"speed": 36_000})
    start = enode.json("GET", "/_sim/clock")["seconds"]
    deadline = time.monotonic() + 10
    while enode.json("GET", "/_sim/clock")["seconds"] < start + 3600:
        assert time.monotonic() < deadline
    stopped = enode.json("POST", "/_sim/clock", {"speed": 0})["seconds"]
    assert enode.json("GET", "/_sim/clock")["seconds"] == stopped


def test_pages_follow_each_other_both_ways(enode: RunningSimulator):
    cars = [enode.link_car(user=f"u{number}") for number in range(5)]
    first = enode.json("GET", "/vehicles?pageSize=2")
    assert first["pagination"]["before"] is None
    second = enode.json("GET", f"/vehicles?pageSize=2&after={first['pagination']['after']}")
    third = enode.json("GET", f"/vehicles?pageSize=2&after={second['pagination']['after']}")
    assert [it["id"] for page in (first, second, third) for it in page["data"]] == cars
    assert third["pagination"]["after"] is None
    back = enode.json("GET", f"/vehicles?pageSize=2&before={third['pagination']['before']}")
    assert back == second
    assert len(enode.json("GET", "/users?pageSize=3")["data"]) == 3


@pytest.mark.parametrize("query", ["pageSize=0", "pageSize=many", "after=%21", "after=YQ==&before=YQ=="])
def test_a_page_that_makes_no_sense_is_refused(enode: RunningSimulator, query: str):
    assert enode.json("GET", f"/vehicles?{query}", status=400)["title"] == "Bad Request"


def test_what_is_not_there_is_a_problem_of_enodes_shape(enode: RunningSimulator):
    problem = enode.json("GET", "/vehicles/nobody", status=404)
    assert problem["type"] == "https://developers.enode.com/api/problems/not-found"
    assert problem.keys() == {"type", "title", "detail"}
    assert enode.json("GET", "/users/nobody", status=404)["title"] == "User does not exist"
    assert enode.json("GET", "/no/such/route", status=404)["title"] == "Not Found"
    assert enode.json("POST", "/vehicles", status=405)["title"] == "Method Not Allowed"
