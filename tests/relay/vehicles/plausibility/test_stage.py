"""What is believed of a car's reports, family by family: the record, the names of the rules, the reading."""

import pytest

from relay.vehicles.plausibility.ranges import RANGES
from relay.vehicles.plausibility.raw_samples import MEMBER_NAMES
from relay.vehicles.plausibility.stage import HELD_LEVEL
from tests.relay.support.corrected_vehicle import CorrectedVehicle


@pytest.fixture
def vehicle():
    return CorrectedVehicle(vendor="KIA")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("batteryLevel", -1),
        ("batteryLevel", 101),
        ("batteryLevel", 255),
        ("range", -5),
        ("range", 65535),
        ("batteryCapacity", -60),
        ("batteryCapacity", 0),
        ("batteryCapacity", 65535),
        ("chargeLimit", -1),
        ("chargeLimit", 101),
        ("chargeRate", 1100.1),
        ("chargeRate", -1100.1),
        ("chargeTimeRemaining", -1),
        ("chargeTimeRemaining", 65535),
    ],
)
def test_impossible_value_is_unknown_and_named(vehicle, member, value):
    charge = vehicle.report_charge("PLUGGED_IN:CHARGING", 0, **{"level": 50, member: value})
    assert charge[member] is None
    assert vehicle.corrected.names == (f"{member}:outOfRange",)


@pytest.mark.parametrize(("name", "lowest", "highest"), RANGES)
def test_value_at_the_end_of_its_range_is_believed(vehicle, name, lowest, highest):
    for value in (lowest, highest):
        member = MEMBER_NAMES[name]
        # A capacity that can take the greatest power.
        vehicle.report_charge("PLUGGED_IN:CHARGING", 0, **{"level": 50, "batteryCapacity": 200, member: value})
        assert f"{member}:outOfRange" not in vehicle.corrected.names


@pytest.mark.parametrize(
    ("latitude", "longitude", "known"),
    [(0, 0, False), (90.1, 5, False), (52, -180.5, False), (0, 5, True), (-90, 180, True)],
)
def test_position_off_the_globe_or_at_zero_is_unknown(vehicle, latitude, longitude, known):
    vehicle.report_charge("UNPLUGGED", 0, place=(latitude, longitude))
    location = vehicle.visible_groups["location"]
    expected = (latitude, longitude) if known else (None, None)
    assert (location["latitude"], location["longitude"]) == expected
    assert vehicle.corrected.names == (() if known else ("location:outOfRange",))


@pytest.mark.parametrize("km", [-1, 16_777_215])
def test_impossible_odometer_is_unknown(vehicle, km):
    vehicle.report_charge("UNPLUGGED", 0, km=km)
    assert vehicle.visible_groups["odometer"]["distance"] is None
    assert vehicle.corrected.names == ("odometer:outOfRange",)


@pytest.mark.parametrize("group", ["chargeState", "location", "odometer"])
@pytest.mark.parametrize(("seconds", "corrected"), [(0, False), (120, False), (121, True), (7200, True)])
def test_time_that_is_ahead_of_its_event_is_capped(vehicle, group, seconds, corrected):
    time = f"2026-11-23T{12 + seconds // 3600}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}.000Z"
    vehicle.report_charge("UNPLUGGED", 0)
    groups = {name: vehicle.state.groups[name] | {"lastUpdated": time} for name in (group,)}
    vehicle.report({**vehicle.state.groups, **groups}, 0)
    assert vehicle.visible_groups[group]["lastUpdated"] == ("2026-11-23T12:00:00.000Z" if corrected else time)
    assert vehicle.corrected.names == ((f"{group}:future",) if corrected else ())


def test_power_in_watts_is_converted_once_the_level_agrees(vehicle):
    rates = []
    for minutes, level in ((0, 50), (8, 51), (16, 52), (24, 53), (32, 54)):
        vehicle.report_charge("PLUGGED_IN:CHARGING", minutes, level=level, chargeRate=4500)
        rates.append((vehicle.charge_state["chargeRate"], vehicle.readings[-1].power_kw))
    # The first estimate is 4.5 kW, from the rises at 8 and 24 minutes.
    assert rates == [(None, None), (None, None), (None, None), (4.5, 4.5), (4.5, 4.5)]
    assert vehicle.corrected.names == ("chargeRate:watts",)
    vehicle.report_charge("PLUGGED_IN:CHARGING", 600, level=60, chargeRate=3700)
    assert vehicle.charge_state["chargeRate"] == 3.7
    vehicle.report_charge("PLUGGED_IN:CHARGING", 610, level=61, chargeRate=7.2)
    assert (vehicle.charge_state["chargeRate"], vehicle.corrected.names) == (7.2, ())


def test_power_that_the_level_contradicts_is_no_watts(vehicle):
    for minutes, level in ((0, 50), (8, 51), (16, 52), (24, 53)):
        vehicle.report_charge("PLUGGED_IN:CHARGING", minutes, level=level, chargeRate=22000)
    assert vehicle.readings[-1].power_kw is None
    assert vehicle.corrected.names == ("chargeRate:outOfRange", "chargeRate:estimated")


@pytest.mark.parametrize(
    ("capacity", "rate", "shown"),
    [
        pytest.param(60, 900, [None, None, None], id="more than the battery takes"),
        pytest.param(60, 720, [720, None, None], id="the level stays"),
        pytest.param(24, 500, [None, None, None], id="a small battery"),
        pytest.param(100, 900, [900, None, None], id="a large battery"),
        pytest.param(None, 900, [900, 900, None], id="an unknown battery"),
        pytest.param(60, 499, [499, 499, 499], id="not read as watts"),
    ],
)
def test_power_that_may_be_watts_is_unknown_when_the_level_does_not_rise_as_fast(vehicle, capacity, rate, shown):
    rates = []
    for minutes, level in ((0, 50), (2, 50), (10, 50)):
        charge = vehicle.report_charge(
            "PLUGGED_IN:CHARGING", minutes, level=level, chargeRate=rate, batteryCapacity=capacity
        )
        rates.append(charge["chargeRate"])
        is_hidden = charge["chargeRate"] is None
        assert vehicle.corrected.names == (("chargeRate:outOfRange",) if is_hidden else ())
        assert vehicle.readings[-1].power_kw == charge["chargeRate"]
    assert rates == shown


def test_power_that_only_a_simulated_battery_takes_is_believed_once_the_level_shows_it(vehicle):
    rates = [
        vehicle.report_charge("PLUGGED_IN:CHARGING", minutes, level=level, chargeRate=880)["chargeRate"]
        for minutes, level in ((0, 50), (0.5, 62), (1, 74), (1.5, 76), (3, 77))
    ]
    assert rates == [None, 880, 880, 880, None]


def test_power_of_900_that_is_watts_is_converted_once_the_level_agrees(vehicle):
    for minutes, level in ((0, 50), (40, 51), (80, 52), (120, 53)):
        charge = vehicle.report_charge("PLUGGED_IN:CHARGING", minutes, level=level, chargeRate=900)
    assert (charge["chargeRate"], vehicle.corrected.names) == (0.9, ("chargeRate:watts",))


def test_fast_charging_is_judged_again_after_a_pause(vehicle):
    for minutes, state, level in ((0, "CHARGING", 20), (2, "STOPPED", 40), (62, "CHARGING", 40), (63, "CHARGING", 48)):
        vehicle.report_charge(f"PLUGGED_IN:{state}", minutes, level=level, chargeRate=600, batteryCapacity=100)
    assert (vehicle.charge_state["chargeRate"], vehicle.corrected.names) == (600, ())


def test_fast_charging_with_a_thousand_kilowatts_is_believed(vehicle):
    for minutes, level in ((0, 10), (2, 27), (4, 43), (6, 60)):
        vehicle.report_charge(
            "PLUGGED_IN:CHARGING", minutes, level=level, chargeRate=1000, batteryCapacity=200, range=4 * level
        )
        assert (vehicle.charge_state["batteryLevel"], vehicle.readings[-1].power_kw) == (level, 1000)
        assert vehicle.corrected.names == ()


FLAGS = [
    # isPluggedIn, isCharging, powerDeliveryState, chargeRate: shown plugged in, charging, state
    pytest.param(False, True, "PLUGGED_IN:CHARGING", 7, (False, False, "UNPLUGGED"), id="no cable"),
    pytest.param(False, False, "PLUGGED_IN:STOPPED", None, (False, False, "UNPLUGGED"), id="no cable, stopped"),
    pytest.param(False, None, "PLUGGED_IN:CHARGING", None, (False, None, "UNPLUGGED"), id="no cable, no flag"),
    pytest.param(True, False, "UNPLUGGED", None, (True, False, "PLUGGED_IN:STOPPED"), id="a cable, no state"),
    pytest.param(True, True, "UNPLUGGED", 7, (True, False, "PLUGGED_IN:STOPPED"), id="a cable, charging, no state"),
    pytest.param(True, True, "PLUGGED_IN:DISCHARGING", 7, (True, False, "PLUGGED_IN:DISCHARGING"), id="discharging"),
    pytest.param(True, False, "PLUGGED_IN:STOPPED", -3, (True, False, "PLUGGED_IN:DISCHARGING"), id="a negative rate"),
    pytest.param(True, False, "PLUGGED_IN:STOPPED", -0.2, (True, False, "PLUGGED_IN:STOPPED"), id="electronics"),
    pytest.param(False, False, "UNPLUGGED", -30, (False, False, "UNPLUGGED"), id="driving"),
    pytest.param(None, None, "PLUGGED_IN:CHARGING", 7, (None, None, "PLUGGED_IN:CHARGING"), id="only the state"),
    pytest.param(True, True, "PLUGGED_IN:INITIALIZING", 7, (True, True, "PLUGGED_IN:INITIALIZING"), id="starting"),
    pytest.param(True, True, "UNKNOWN", 7, (True, True, "UNKNOWN"), id="an unknown state"),
]


@pytest.mark.parametrize(("plugged_in", "charging", "state", "rate", "shown"), FLAGS)
def test_state_flags_and_reading_agree(plugged_in, charging, state, rate, shown):
    vehicle = CorrectedVehicle(vendor="KIA")
    charge = vehicle.report_charge(state, 0, level=50, isPluggedIn=plugged_in, isCharging=charging, chargeRate=rate)
    assert (charge["isPluggedIn"], charge["isCharging"], charge["powerDeliveryState"]) == shown
    reading = vehicle.readings[-1]
    assert reading.plugged_in is (shown[2] != "UNPLUGGED")
    is_charging = shown[1] if shown[1] is not None else shown[2] == "PLUGGED_IN:CHARGING"
    assert (reading.charging, reading.discharging) == (is_charging, shown[2] == "PLUGGED_IN:DISCHARGING")
    assert reading.power_kw == (rate if is_charging else None)
    assert reading.discharge_kw == (abs(rate) if reading.discharging else None)
    assert bool(vehicle.corrected.names) is (charge != vehicle.state.groups["chargeState"])


@pytest.mark.parametrize(("levels", "charging"), [((50, 50, 51), True), ((50, 49, 48), False)])
def test_level_decides_whether_a_negative_rate_means_discharging(vehicle, levels, charging):
    for minutes, level in zip((0, 10, 20), levels, strict=True):
        charge = vehicle.report_charge("PLUGGED_IN:CHARGING", minutes, level=level, chargeRate=-7)
    assert charge["isCharging"] is charging
    assert charge["powerDeliveryState"] == ("PLUGGED_IN:CHARGING" if charging else "PLUGGED_IN:DISCHARGING")
    reading = vehicle.readings[-1]
    assert (reading.power_kw, reading.discharge_kw) == (None, None if charging else 7)


def test_rise_from_before_the_cable_was_out_proves_nothing(vehicle):
    vehicle.report_charge("PLUGGED_IN:CHARGING", 0, level=59)
    vehicle.report_charge("PLUGGED_IN:CHARGING", 10, level=60)
    charge = vehicle.report_charge("PLUGGED_IN:CHARGING", 20, level=60, isPluggedIn=False)
    assert (charge["isPluggedIn"], charge["isCharging"]) == (False, False)


def test_rise_while_driving_proves_no_cable(vehicle):
    for minutes, level, km in ((0, 60, 1000), (10, 60, 1010), (20, 62, 1020)):
        charge = vehicle.report_charge("PLUGGED_IN:CHARGING", minutes, level=level, km=km, isPluggedIn=False)
    assert (charge["isPluggedIn"], charge["isCharging"]) == (False, False)


def test_smallest_step_of_the_level_is_learned(vehicle):
    steps = []
    for minutes, level in ((0, 80), (60, 70), (120, 65), (180, 65), (240, 60)):
        vehicle.report_charge("UNPLUGGED", minutes, level=level, km=1000 + minutes)
        steps.append(vehicle.readings[-1].step)
    assert steps == [None, 10, 5, 5, 5]


@pytest.mark.parametrize(("level", "names"), [(98, []), (97, [HELD_LEVEL]), (95, []), (94, [HELD_LEVEL])])
def test_first_step_of_a_large_battery_is_not_held(vehicle, level, names):
    """600 kWh: parked, the battery loses 0.2 points in five minutes, which show as a step of 2 or 5."""
    vehicle.report_charge("UNPLUGGED", 0, level=100, batteryCapacity=600)
    vehicle.report_charge("UNPLUGGED", 5, level=level, batteryCapacity=600)
    assert list(vehicle.corrected.names) == names


@pytest.mark.parametrize(
    ("before", "after", "minutes", "held"),
    [
        pytest.param({"range": 240}, {"range": 240}, 40, True, id="the range stays"),
        pytest.param({"range": 240}, {"range": 200}, 40, False, id="the range follows"),
        pytest.param({"range": None}, {"range": None}, 40, False, id="the range is unknown"),
        pytest.param({"range": 240}, {"range": 240}, 60 * 10, False, id="a slow fall of a sleeping car"),
        pytest.param({"range": 240}, {"range": 240, "km": 1040}, 40, False, id="a drive"),
        pytest.param({"range": 240, "chargeLimit": 90}, {"range": 200}, 10, True, id="faster than 15 kW"),
    ],
)
def test_parked_fall_is_held_when_it_is_too_fast_or_the_range_does_not_follow(vehicle, before, after, minutes, held):
    vehicle.report_charge("UNPLUGGED", 0, level=72, **before)
    vehicle.report_charge("UNPLUGGED", minutes, level=60, **after)
    assert ("batteryLevel:held" in vehicle.corrected.names) is held
    assert vehicle.readings[-1].soc == (72 if held else 60)


@pytest.mark.parametrize(("level", "minutes", "held"), [(84, 2, False), (75, 2, True), (85, 2, True)])
def test_fast_rise_is_held_unless_the_car_says_that_it_charges(vehicle, level, minutes, held):
    state = "PLUGGED_IN:CHARGING" if level == 84 else "PLUGGED_IN:STOPPED"
    vehicle.report_charge(state, 0, level=60, chargeRate=None)
    vehicle.report_charge(state, minutes, level=level, chargeRate=None)
    assert ("batteryLevel:held" in vehicle.corrected.names) is held


def test_level_that_rose_without_an_explanation_counts_once_it_stays(vehicle):
    vehicle.report_charge("PLUGGED_IN:STOPPED", 0, level=50)
    for minutes in (5, 15, 25, 36):
        vehicle.report_charge("PLUGGED_IN:STOPPED", minutes, level=70)
    assert (vehicle.readings[-1].soc, vehicle.readings[-1].rebased) == (70, False)


def test_accepted_fall_is_rebased_so_that_nothing_is_counted(vehicle):
    vehicle.report_charge("PLUGGED_IN:STOPPED", 0, level=72)
    for minutes in (2, 12, 22, 33):
        vehicle.report_charge("PLUGGED_IN:STOPPED", minutes, level=30)
    assert [(reading.soc, reading.rebased) for reading in vehicle.readings] == [
        (72, False), (72, False), (72, False), (72, False), (30, True),
    ]  # fmt: skip


def test_charge_after_an_accepted_fall_is_counted_though_it_returns_to_the_level_before(vehicle):
    vehicle.report_charge("PLUGGED_IN:STOPPED", 0, level=72)
    for minutes in (2, 12, 22, 33):
        vehicle.report_charge("PLUGGED_IN:STOPPED", minutes, level=30)
    for minutes, level in ((60, 40), (120, 55), (180, 72)):
        vehicle.report_charge("PLUGGED_IN:CHARGING", minutes, level=level, chargeRate=11)
        assert (vehicle.readings[-1].soc, vehicle.readings[-1].rebased) == (level, False)


@pytest.mark.parametrize(
    ("levels", "rebased"),
    [
        pytest.param((72, 60, 72), True, id="a slow fall that returns at once"),
        pytest.param((72, 60, 64), False, id="another level"),
        pytest.param((60, 80, 60), True, id="a slow rise that returns at once"),
    ],
)
def test_change_at_rest_that_returns_at_once_was_a_fault(vehicle, levels, rebased):
    """After hours of silence nearly any level is possible, until the next report tells better."""
    for minutes, level in zip((0, 300, 310), levels, strict=True):
        vehicle.report_charge("PLUGGED_IN:STOPPED", minutes, level=level, range=level * 3)
    assert vehicle.readings[-1].rebased is rebased
    assert vehicle.charge_state["batteryLevel"] == levels[-1]


@pytest.mark.parametrize(
    ("first", "second", "rebased"),
    [
        pytest.param(("UNPLUGGED", 0), ("UNPLUGGED", 72, 5), True, id="0 %, unplugged"),
        pytest.param(("UNPLUGGED", 0), ("UNPLUGGED", 72, 60), True, id="an hour later"),
        pytest.param(("UNPLUGGED", 0), ("UNPLUGGED", 72, 61), False, id="more than an hour later"),
        pytest.param(("UNPLUGGED", 0), ("UNPLUGGED", 18, 60), True, id="a low level"),
        pytest.param(("UNPLUGGED", 0), ("UNPLUGGED", 72, 60, 1060), True, id="driven without any charge"),
        pytest.param(("PLUGGED_IN:STOPPED", 0), ("PLUGGED_IN:STOPPED", 55, 5), True, id="faster than AC"),
        pytest.param(("PLUGGED_IN:STOPPED", 0), ("PLUGGED_IN:STOPPED", 40, 60), False, id="plugged in"),
        pytest.param(("UNPLUGGED", 0), ("PLUGGED_IN:STOPPED", 40, 60), False, id="plugged in since"),
        pytest.param(("PLUGGED_IN:CHARGING", 0), ("PLUGGED_IN:CHARGING", 40, 60), False, id="charging"),
        pytest.param(("UNPLUGGED", 20), ("UNPLUGGED", 39, 60), False, id="another level than 0"),
        pytest.param(("UNPLUGGED", 0), ("UNPLUGGED", 5, 60), False, id="a battery that warms up"),
    ],
)
def test_first_level_ever_of_0_that_rises_without_a_plug_was_an_unknown_one(first, second, rebased):
    vehicle, (state, level, minutes, *km) = CorrectedVehicle("KIA"), second
    vehicle.report_charge(first[0], 0, level=first[1], batteryCapacity=None)
    for later in (0, 15, 31):
        vehicle.report_charge(state, minutes + later, level=level, km=km[0] if km else 1000.0, batteryCapacity=None)
    assert any(reading.rebased for reading in vehicle.readings) is rebased
    assert vehicle.charge_state["batteryLevel"] == level


def test_level_of_0_that_is_not_the_first_one_is_believed(vehicle):
    for minutes, level in ((0, 3), (60, 0), (120, 15)):
        vehicle.report_charge("UNPLUGGED", minutes, level=level, batteryCapacity=None)
    assert not any(reading.rebased for reading in vehicle.readings)


@pytest.mark.parametrize(
    ("state", "fall", "rebased"),
    [
        pytest.param("UNPLUGGED", (73, 55, 105), True, id="in less than two hours"),
        pytest.param("PLUGGED_IN:STOPPED", (80, 55, 120), True, id="plugged in"),
        pytest.param("UNPLUGGED", (73, 55, 240), False, id="as slow as heating"),
        pytest.param("UNPLUGGED", (73, 65, 30), False, id="to another level"),
        pytest.param("UNPLUGGED", (60, 55, 30), False, id="less than six points"),
    ],
)
def test_rise_at_rest_that_returns_faster_than_by_heating_was_a_fault(vehicle, state, fall, rebased):
    high, low, minutes = fall
    for at, level in ((0, 55), (60, high), (60 + minutes, low)):
        vehicle.report_charge(state, at, level=level, range=None)
    assert (vehicle.readings[-1].rebased, vehicle.readings[-1].returned) == (rebased, rebased)


def test_rise_that_returns_after_a_drive_was_none(vehicle):
    for at, level, km in ((0, 55, 1000), (60, 73, 1000), (165, 55, 1080)):
        vehicle.report_charge("UNPLUGGED", at, level=level, range=None, km=km, place=(52 + km / 1e5, 5))
    assert not any(reading.rebased for reading in vehicle.readings)


@pytest.mark.parametrize("minutes", [20, 60])
def test_rise_that_was_taken_for_a_swap_and_returns_is_not_held(vehicle, minutes):
    for at, level in ((0, 40), (20, 80), (20 + minutes, 40)):
        charge = vehicle.report_charge("UNPLUGGED", at, level=level)
        assert (charge["batteryLevel"], vehicle.corrected.names) == (level, ())
    assert [reading.rebased for reading in vehicle.readings] == [False, True, True]
    assert not any(reading.returned for reading in vehicle.readings)


def test_battery_swap_between_two_fresh_reports_counts_nothing_either(vehicle):
    for at, level in ((0, 23), (7, 66), (21, 65.5), (28, 63.5), (40, 61.5)):
        vehicle.report_charge("UNPLUGGED", at, level=level)
    assert [(reading.soc, reading.rebased) for reading in vehicle.readings][-1] == (61.5, True)


@pytest.mark.parametrize(
    ("level", "km", "held"),
    [
        pytest.param(97, 1011, False, id="it falls as the car drives"),
        pytest.param(100, 1011, True, id="it stays the same"),
        pytest.param(97, 1000, True, id="the car stands still"),
    ],
)
def test_fast_rise_is_believed_as_soon_as_the_car_uses_it_up(vehicle, level, km, held):
    """A stop at a fast charger between two reports."""
    vehicle.report_charge("UNPLUGGED", 0, level=63)
    vehicle.report_charge("UNPLUGGED", 7, level=100)
    assert "batteryLevel:held" in vehicle.corrected.names
    vehicle.report_charge("UNPLUGGED", 14, level=level, km=km)
    assert ("batteryLevel:held" in vehicle.corrected.names) is held


@pytest.mark.parametrize(
    ("state", "minutes", "rebased"),
    [
        pytest.param("UNPLUGGED", 30, True, id="unplugged in both reports"),
        pytest.param("UNPLUGGED", 31, False, id="time to charge unseen"),
        pytest.param("PLUGGED_IN:STOPPED", 30, False, id="plugged in"),
    ],
)
def test_slow_fall_that_returns_while_the_car_stands_unplugged_was_a_fault(vehicle, state, minutes, rebased):
    for at, level in ((0, 72), (60, 62), (60 + minutes, 72)):
        vehicle.report_charge(state, at, level=level, range=level * 3)
    assert (vehicle.readings[-1].rebased, vehicle.readings[-1].returned) == (rebased, rebased)


def test_charge_that_nobody_reported_returns_the_level_and_counts(vehicle):
    vehicle.report_charge("PLUGGED_IN:STOPPED", 0, level=72)
    vehicle.report_charge("PLUGGED_IN:STOPPED", 600, level=60)
    vehicle.report_charge("PLUGGED_IN:STOPPED", 660, level=72)
    assert (vehicle.readings[-1].soc, vehicle.readings[-1].rebased) == (72, False)


def test_car_that_reports_its_odometer_after_the_drive_is_believed_from_its_first_drive_on(vehicle):
    """Levels fall while odometer and position stay those of the last parking place."""
    held = []
    for start, km in ((0, 1000.0), (300, 1040.0), (600, 1080.0)):
        parked = {"km": km, "place": (52.0 + km / 100_000, 5.0)}
        vehicle.report_charge("UNPLUGGED", start, level=90, range=270, **parked)
        for minutes in (6, 16, 26):
            level = 90 - minutes
            vehicle.report_charge("UNPLUGGED", start + minutes, level=level, range=level * 3, **parked)
            held.append("batteryLevel:held" in vehicle.corrected.names)
        vehicle.report_charge("UNPLUGGED", start + 40, level=60, range=180, km=km + 40, place=(52.5, 5.0))
        assert vehicle.charge_state["batteryLevel"] == 60
        vehicle.report_charge("PLUGGED_IN:CHARGING", start + 50, level=61, km=km + 40, place=(52.5, 5.0))
    assert held[0] is True
    assert not any(held[3:])


@pytest.mark.parametrize(("state", "rebased"), [("PLUGGED_IN:STOPPED", True), ("PLUGGED_IN:CHARGING", False)])
def test_level_that_returns_two_points_higher_charged_nothing_unless_the_car_says_so(vehicle, state, rebased):
    for minutes, level in ((0, 72), (2, 0), (4, 74)):
        vehicle.report_charge(state, minutes, level=level)
    assert (vehicle.readings[-1].soc, vehicle.readings[-1].rebased) == (74, rebased)


@pytest.mark.parametrize(
    ("after", "swapped"),
    [
        pytest.param({"level": 90}, True, id="parked"),
        pytest.param({"level": 39}, False, id="less than 20 points"),
        pytest.param({"level": 90, "state": "PLUGGED_IN:STOPPED"}, False, id="plugged in since"),
        pytest.param({"level": 90, "batteryCapacity": None}, False, id="unknown capacity"),
        pytest.param({"level": 50, "km": 1030}, False, id="a DC stop on a drive"),
        pytest.param({"level": 90, "km": 1030, "minutes": 12}, True, id="faster than a charger on a drive"),
        pytest.param({"level": 50, "km": 1030, "batteryCapacity": 100}, True, id="another battery on a drive"),
    ],
)
def test_battery_swap_is_rebased_and_a_charge_is_not(after, swapped):
    vehicle, after = CorrectedVehicle("KIA"), dict(after)
    state, minutes = after.pop("state", "UNPLUGGED"), after.pop("minutes", 60)
    capacity = {"batteryCapacity": after["batteryCapacity"]} if after.get("batteryCapacity", 0) is None else {}
    vehicle.report_charge("UNPLUGGED", 0, level=20, **capacity)
    vehicle.report_charge(state, minutes, **after)
    assert vehicle.corrected.names == ()
    assert vehicle.readings[-1].rebased is swapped
