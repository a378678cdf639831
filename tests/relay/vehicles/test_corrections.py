"""What vendors get wrong, and that nothing else is touched."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.corrections import MAX_CHARGE_RATE_KW, MAX_PLUGGED_IN_HOLD, RULES, derive_corrections
from relay.vehicles.merge import merge_report
from relay.vehicles.models import CorrectionOverlay, Vehicle, VehicleReport, VehicleState
from relay.vehicles.transitions import parse_charge_flags

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HELD, FLAG, RATE = (rule.name for rule in RULES)


class Car:
    """A car whose states come one after the other, as the pipeline corrects them."""

    def __init__(self, vendor="XPENG"):
        self.vendor, self.state, self.corrected, self.number = vendor, VehicleState(), CorrectionOverlay(), 0

    def says(self, word, minutes, *, level=80, km=1000.0, place=(52.0, 5.0), **charge):
        at = (NOON + timedelta(minutes=minutes)).isoformat()
        plugged_in = word.startswith("PLUGGED_IN") if word != "UNKNOWN" else None
        group = {
            "powerDeliveryState": word,
            "isPluggedIn": plugged_in,
            "isCharging": word == "PLUGGED_IN:CHARGING",
            "isFullyCharged": word == "PLUGGED_IN:COMPLETE",
            "batteryLevel": level,
            "batteryCapacity": 60,
            "chargeLimit": 80,
            "chargeRate": 7.0 if word == "PLUGGED_IN:CHARGING" else None,
            "lastUpdated": at,
        } | charge
        vehicle = {
            "vendor": self.vendor,
            "chargeState": group,
            "odometer": {"distance": km, "lastUpdated": at},
            "location": {"latitude": place[0], "longitude": place[1], "lastUpdated": at},
        }
        self.sees(vehicle, minutes)
        return self.shown

    def sees(self, vehicle, minutes):
        self.number += 1
        sighting = VehicleReport(
            enode_vehicle_id="car",
            created_at=NOON + timedelta(minutes=minutes),
            event_id=self.number,
            vehicle=vehicle,
        )
        self.state = merge_report(self.state, sighting)
        self.corrected = derive_corrections(self.corrected.memory, self.state)

    @property
    def shown(self):
        groups = {**self.state.groups, **self.corrected.overlay}
        return groups["chargeState"]


def is_held(car):
    return HELD in car.corrected.names


@pytest.fixture
def car():
    return Car()


def completed(car):
    car.says("PLUGGED_IN:CHARGING", 0, level=79)
    car.says("PLUGGED_IN:COMPLETE", 10)


def test_unplugged_after_a_completed_charge_is_still_plugged_in(car):
    completed(car)
    shown = car.says("UNPLUGGED", 12)
    assert (shown["powerDeliveryState"], shown["isPluggedIn"], shown["isCharging"]) == (
        "PLUGGED_IN:COMPLETE",
        True,
        False,
    )
    assert car.corrected.names == (HELD,)
    assert car.state.groups["chargeState"]["powerDeliveryState"] == "UNPLUGGED"


def test_so_it_is_when_complete_was_never_said(car):
    car.says("PLUGGED_IN:CHARGING", 0, level=79)
    car.says("UNPLUGGED", 10, level=80)
    assert is_held(car)
    car.says("UNPLUGGED", 200, level=79)  # a parked car loses a little
    assert is_held(car)


def test_numbers_that_no_car_has_are_no_numbers(car):
    absurd = 10**400
    car.says("PLUGGED_IN:CHARGING", 0, level=absurd, km=absurd, place=(absurd, absurd), batteryCapacity=absurd)
    assert car.says("UNPLUGGED", 10, level=80.5)["batteryLevel"] == 80.5


def test_a_cable_pulled_before_the_goal_is_pulled(car):
    car.says("PLUGGED_IN:CHARGING", 0, level=60)
    assert car.says("UNPLUGGED", 10, level=62)["isPluggedIn"] is False
    car.says("UNPLUGGED", 20, level=80)
    assert not is_held(car)


@pytest.mark.parametrize(
    "left", [{"km": 1000.5}, {"place": (52.003, 5.0)}, {"place": (52.0, 5.004)}, {"level": 77}], ids=str
)
def test_a_car_that_has_moved_is_not_plugged_in(car, left):
    completed(car)
    car.says("UNPLUGGED", 12)
    assert car.says("UNPLUGGED", 20, **left)["powerDeliveryState"] == "UNPLUGGED"
    assert car.corrected == CorrectionOverlay()
    car.says("UNPLUGGED", 30)  # back at home, not at the cable
    assert not is_held(car)


def test_noise_in_position_and_odometer_is_no_move(car):
    completed(car)
    car.says("UNPLUGGED", 12, km=1000.2, place=(52.0005, 5.0005))
    assert is_held(car)


def test_a_move_that_is_told_before_the_charge_state_counts(car):
    completed(car)
    odometer = {"distance": 1004.0, "lastUpdated": (NOON + timedelta(minutes=20)).isoformat()}
    car.sees({"vendor": "XPENG", "odometer": odometer}, 20)
    car.says("UNPLUGGED", 22, km=1004.0)
    assert not is_held(car)


def test_it_is_believed_for_a_day(car):
    completed(car)
    day = MAX_PLUGGED_IN_HOLD / timedelta(minutes=1)
    car.says("UNPLUGGED", 10 + day)
    assert is_held(car)
    car.says("UNPLUGGED", 11 + day)
    assert not is_held(car)


def test_a_real_unplug_follows_a_later_cycle(car):
    completed(car)
    car.says("UNPLUGGED", 12)
    car.says("PLUGGED_IN:STOPPED", 20)
    car.says("UNPLUGGED", 22)
    assert not is_held(car)


def test_no_other_vendor_s_cable_is_held():
    car = Car(vendor="TESLA")
    completed(car)
    assert car.says("UNPLUGGED", 12)["powerDeliveryState"] == "UNPLUGGED"
    assert car.corrected.overlay == {}


@pytest.mark.parametrize(
    ("word", "said", "plugged_in", "shown"),
    [
        ("PLUGGED_IN:STOPPED", True, True, False),
        ("PLUGGED_IN:COMPLETE", True, True, False),
        ("PLUGGED_IN:FAULT", True, True, False),
        ("UNPLUGGED", True, False, False),
        ("UNKNOWN", True, False, False),
        ("PLUGGED_IN:CHARGING", False, True, True),
        # Not a contradiction, or nothing to decide it by.
        ("PLUGGED_IN:INITIALIZING", True, True, True),
        ("UNKNOWN", True, None, True),
        ("UNKNOWN", True, True, True),
        ("PLUGGED_IN:STOPPED", None, True, None),
        ("PLUGGED_IN:SOMETHING_NEW", True, True, True),
    ],
)
def test_the_state_s_word_wins_over_the_flag(word, said, plugged_in, shown):
    car = Car(vendor="KIA")
    assert car.says(word, 0, isCharging=said, isPluggedIn=plugged_in, chargeRate=None)["isCharging"] is shown
    assert (FLAG in car.corrected.names) is (shown != said)


def charging_without_a_rate(car, level, minutes):
    return car.says("PLUGGED_IN:CHARGING", minutes, level=level, chargeRate=None)["chargeRate"]


def test_a_rate_that_is_always_null_is_estimated_between_rises_of_the_level():
    car = Car(vendor="NISSAN")
    assert charging_without_a_rate(car, 50, 0) is None
    assert charging_without_a_rate(car, 51, 3) is None  # half of that percent may have been there
    assert charging_without_a_rate(car, 52, 9) is None  # too short
    assert charging_without_a_rate(car, 53, 15) == 6.0  # 2 % of 60 kWh in 12 minutes
    assert car.corrected.names == (RATE,)
    assert charging_without_a_rate(car, 53, 40) == 6.0
    assert charging_without_a_rate(car, 53, 76) is None  # an hour without a rise


def test_a_rate_ends_with_charging_and_a_given_one_is_not_touched():
    car = Car(vendor="NISSAN")
    for level, minutes in ((50, 0), (51, 6), (53, 18)):
        charging_without_a_rate(car, level, minutes)
    assert car.shown["chargeRate"] == 6.0
    assert car.says("PLUGGED_IN:STOPPED", 20, level=53)["chargeRate"] is None
    assert car.says("PLUGGED_IN:CHARGING", 22, level=53, chargeRate=3.3)["chargeRate"] == 3.3
    assert car.corrected == CorrectionOverlay()


words = st.sampled_from(
    ["UNKNOWN", "UNPLUGGED", *(f"PLUGGED_IN:{it}" for it in ("INITIALIZING", "CHARGING", "STOPPED", "COMPLETE"))]
)
flags = st.sampled_from([True, False, None])
charges = st.fixed_dictionaries(
    {},
    optional={
        "powerDeliveryState": words | st.none() | st.integers(),
        "isPluggedIn": flags,
        "isCharging": flags,
        "isFullyCharged": flags,
        "batteryLevel": st.none() | st.integers(0, 100) | st.floats(0, 100),
        "batteryCapacity": st.none() | st.sampled_from([0, -1, 60]),
        "chargeRate": st.none() | st.just(7.2),
        "chargeLimit": st.none() | st.integers(0, 100),
    },
)
places = st.fixed_dictionaries(
    {}, optional={"latitude": st.none() | st.floats(-90, 90), "longitude": st.none() | st.floats(-180, 180)}
)
odometers = st.fixed_dictionaries({}, optional={"distance": st.none() | st.floats(0, 1e6)})
vehicles = st.fixed_dictionaries(
    {"vendor": st.sampled_from(["XPENG", "TESLA"])},
    optional={
        "chargeState": charges | st.none(),
        "location": places | st.none(),
        "odometer": odometers | st.none(),
    },
)
histories = st.lists(st.tuples(vehicles, st.integers(0, 3000)), max_size=12)


@given(histories)
def test_the_same_state_seen_again_is_corrected_the_same(history):
    car = Car()
    for vehicle, minutes in history:
        car.sees(vehicle, minutes)
        assert derive_corrections(car.corrected.memory, car.state) == car.corrected


@given(histories)
def test_a_correction_touches_nothing_but_what_its_name_says(history):
    car = Car()
    may = {HELD: {"isPluggedIn", "isCharging", "powerDeliveryState"}, FLAG: {"isCharging"}, RATE: {"chargeRate"}}
    for vehicle, minutes in history:
        car.sees(vehicle, minutes)
        overlay, names = car.corrected.overlay, car.corrected.names
        assert set(overlay) == ({"chargeState"} if names else set())
        for key, value in overlay.get("chargeState", {}).items():
            allowed = any(key in may[name] for name in names)
            assert allowed or value == car.state.groups["chargeState"].get(key)


@given(histories)
def test_no_car_is_shown_charging_against_its_state(history):
    car = Car()
    for vehicle, minutes in history:
        car.sees(vehicle, minutes)
        shown = Vehicle(
            id=None, user_id=None, link_since=NOON, state=car.state, corrected=car.corrected
        ).corrected_groups
        charge = parse_charge_flags(shown)
        group = shown.get("chargeState") or {}
        if group.get("powerDeliveryState") in {"UNPLUGGED", "PLUGGED_IN:STOPPED", "PLUGGED_IN:COMPLETE"}:
            assert charge.charging is not True
        rate = group.get("chargeRate")
        assert rate is None or 0 < rate <= MAX_CHARGE_RATE_KW
