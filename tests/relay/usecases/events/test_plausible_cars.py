"""What users see of cars that report nonsense: the record, its corrections, transitions, sessions and counters."""

import pytest

from tests.relay.support.reported_cars import ReportedCar


@pytest.fixture
def car(pipeline):
    return ReportedCar(pipeline)


async def expect_nothing_charged(car):
    assert await car.list_sessions() == []
    assert await car.get_lifetime_kwh() == 0


# The level falls to 0 for half a minute (case 01), or for longer than a level is held.
@pytest.mark.parametrize("state", ["stopped", "unplugged", "complete"])
@pytest.mark.parametrize("low", [[2], [2, 7, 12], [2, 10, 20, 40, 60, 100], [2, 180]], ids=str)
@pytest.mark.parametrize("level", [0, 31, 64])
async def test_level_that_falls_and_returns_charged_nothing(car, state, low, level):
    await car.report(0, state, level=72)
    for minutes in low:
        await car.report(minutes, state, level=level)
    after = low[-1] + 0.5
    for minutes in (after, after + 5, after + 60):
        record = await car.report(minutes, state, level=72)
        assert record["vehicle"]["chargeState"]["batteryLevel"] == 72
        assert record["corrections"] == []
    await expect_nothing_charged(car)
    assert await car.list_transitions() == []


async def test_impossible_fall_is_held_and_named(car):
    await car.report(0, level=72)
    record = await car.report(2, level=0)
    assert (record["vehicle"]["chargeState"]["batteryLevel"], record["corrections"]) == (72, ["batteryLevel:held"])
    raw = (await car.pipeline.get_vehicle())["vehicle_cache"]
    assert raw["chargeState"]["batteryLevel"] == 0


async def test_state_that_is_reset_with_the_level_is_no_transition(car):
    """A fault that zeroes the whole charge state, as while a maker's cloud restarts."""
    await car.report(0, "stopped", level=72)
    record = await car.report(2, "unplugged", level=0, range=0)
    charge = record["vehicle"]["chargeState"]
    assert (charge["isPluggedIn"], charge["powerDeliveryState"], charge["range"]) == (True, "PLUGGED_IN:STOPPED", 241)
    await car.report(4, "stopped", level=72)
    assert await car.list_transitions() == []
    await expect_nothing_charged(car)


async def test_fall_that_nothing_contradicts_counts_after_half_an_hour(car):
    await car.report(0, level=72)
    for minutes, level in ((2, 72), (12, 72), (31, 72), (32, 40)):
        record = await car.report(minutes, level=40) if minutes > 0 else None
        assert record["vehicle"]["chargeState"]["batteryLevel"] == level
    assert record["corrections"] == []


async def test_fall_counts_after_half_an_hour_though_only_another_group_is_new(car):
    await car.report(0, level=72)
    await car.report(2, level=40)
    later = {"lastSeen": "2026-11-23T12:40:00.000Z"}
    record = await car.report(2, created=40, level=40, groups=later)
    assert (record["vehicle"]["chargeState"]["batteryLevel"], record["corrections"]) == (40, [])


async def test_car_that_drove_to_zero_shows_zero(car):
    await car.report(0, "unplugged", level=12, km=12345)
    record = await car.report(50, "unplugged", level=0, km=12395)
    assert (record["vehicle"]["chargeState"]["batteryLevel"], record["corrections"]) == (0, [])


async def test_jump_of_the_level_charged_nothing(car):
    await car.report(0, "unplugged", level=20)
    record = await car.report(2, "unplugged", level=90)
    assert (record["vehicle"]["chargeState"]["batteryLevel"], record["corrections"]) == (20, ["batteryLevel:held"])
    await car.report(4, "unplugged", level=20)
    await expect_nothing_charged(car)


@pytest.mark.parametrize("after", ["charging", "complete"])
async def test_full_level_while_charging_that_is_taken_back_charged_nothing(car, after):
    """A car that reports no power, so that its energy is that of the level: 43 to 100 and back to 45 %."""
    for minutes, level in ((0, 40), (5, 41), (10, 42), (15, 43), (20, 100)):
        await car.report(minutes, "charging", level=level)
    record = await car.report(25, after, level=45)
    assert (record["vehicle"]["chargeState"]["batteryLevel"], record["corrections"]) == (45, [])
    await car.report(60, after, level=45)
    assert await car.list_sessions() == [pytest.approx(5 * 0.6)]
    assert await car.get_lifetime_kwh() == pytest.approx(5 * 0.6)


@pytest.mark.parametrize("state", ["stopped", "complete", "unplugged"])
@pytest.mark.parametrize("kw", [7.2, 150], ids=str)
@pytest.mark.parametrize("low", [[10], [10, 15, 20, 25], [10, 45], [10, 15, 20, 25, 30, 35, 40, 45]], ids=str)
async def test_level_that_falls_to_zero_when_charging_ends_charged_nothing_more(car, state, kw, low):
    """The level rose until the fault, so that it returns to more than it was at the last report."""
    rise = round(kw / 12 / 0.6)
    for minutes in (0, 5):
        await car.report(minutes, "charging", level=30 + rise * minutes / 5, chargeRate=kw)
    for minutes in low:
        await car.report(minutes, state, level=0)
    for minutes in (low[-1] + 5, low[-1] + 60):
        record = await car.report(minutes, state, level=30 + 2 * rise)
    assert record["vehicle"]["chargeState"]["batteryLevel"] == 30 + 2 * rise
    assert await car.list_sessions() == [pytest.approx(kw / 6)]
    assert await car.get_lifetime_kwh() == pytest.approx(kw / 6, abs=0.001)


async def test_rise_before_the_first_report_of_charging_is_counted_though_the_power_fell(car):
    """The first change of the level that the relay ever gets: it isn't the step of the car's level."""
    await car.report(0, "unplugged", level=50)
    for minutes, level, kw in ((15, 58, 10.4), (20, 58, 4), (25, 59, 3)):
        await car.report(minutes, "charging", level=level, chargeRate=kw)
    await car.report(30, "complete", level=59)
    assert await car.list_sessions() == [pytest.approx(9 * 0.6, abs=0.61)]


async def test_energy_charged_while_a_fault_hid_it_is_counted(car):
    """The whole charge state is zero for 25 minutes of a charge."""
    for minutes, level in ((0, 50), (15, 53)):
        await car.report(minutes, "charging", level=level, chargeRate=7.2)
    for minutes in (20, 25, 30, 35, 40):
        await car.report(minutes, "unplugged", level=0, range=0)
    for minutes, level in ((45, 59), (60, 62)):
        await car.report(minutes, "charging", level=level, chargeRate=7.2)
    assert await car.list_sessions() == [pytest.approx(7.2, abs=0.61)]
    assert await car.list_transitions() == []


@pytest.mark.parametrize("late", [10, 40])
async def test_drive_after_a_short_charge_does_not_undo_it(car, late):
    """The odometer comes only after the drive, so that the fall of the level is held at first."""
    for minutes, level in ((0, 60), (20, 62)):
        await car.report(minutes, "charging", level=level)
    for minutes, state, level in ((40, "stopped", 64), (60, "unplugged", 64), (70, "unplugged", 57)):
        await car.report(minutes, state, level=level)
    for minutes in (70 + late, 90 + late):
        record = await car.report(minutes, "unplugged", level=57, km=12355)
    assert (record["vehicle"]["chargeState"]["batteryLevel"], record["corrections"]) == (57, [])
    assert await car.list_sessions() == [pytest.approx(2.4)]


@pytest.mark.parametrize("state", ["unplugged", "stopped"])
@pytest.mark.parametrize("low", [30, 52])
async def test_drive_after_a_fast_charge_does_not_undo_it(car, state, low):
    """A car that reports no power, and its odometer only after the drive."""
    for minutes, each, level in ((0, "charging", 20), (5, "charging", 60), (10, "unplugged", 60), (20, state, low)):
        await car.report(minutes, each, level=level)
    for minutes in (40, 60):
        await car.report(minutes, state, level=low, km=12385)
    assert await car.list_sessions() == [24.0]


@pytest.mark.parametrize("gap", [4, 40])
async def test_battery_swap_is_no_session(car, gap):
    await car.report(0, "unplugged", level=20, vendor="NIO")
    for minutes in (gap, gap + 10, gap + 20, gap + 31):
        record = await car.report(minutes, "unplugged", level=95, vendor="NIO")
    assert (record["vehicle"]["chargeState"]["batteryLevel"], record["corrections"]) == (95, [])
    await expect_nothing_charged(car)


@pytest.mark.parametrize("low", [2, 30])
async def test_rise_after_a_silence_that_is_taken_back_charged_nothing(car, low):
    await car.report(0, "stopped", level=40)
    await car.report(300, "stopped", level=60)
    assert await car.list_sessions() == [12.0]
    for minutes in (low, low + 5, low + 60):
        record = await car.report(300 + minutes, "stopped", level=40)
    assert (record["vehicle"]["chargeState"]["batteryLevel"], record["corrections"]) == (40, [])
    assert await car.list_sessions() == []


async def test_discharging_never_counts_as_charged(car):
    await car.report(0, level=80)
    v2l = {"isCharging": True, "chargeRate": 7, "powerDeliveryState": "PLUGGED_IN:DISCHARGING"}
    for minutes, level in zip(range(10, 70, 10), range(79, 73, -1), strict=True):
        record = await car.report(minutes, level=level, **v2l)
        charge = record["vehicle"]["chargeState"]
        assert (charge["isCharging"], charge["chargeRate"], charge["batteryLevel"]) == (False, None, level)
        assert record["corrections"] == ["isCharging:powerDeliveryState", "chargeRate:notCharging"]
    record = await car.report(70, level=74)
    await expect_nothing_charged(car)
    assert await car.list_transitions() == []
    assert await car.list_sessions("discharge") == [pytest.approx(record["energy"]["discharged_kwh"])]
    assert record["energy"]["discharged_kwh"] == pytest.approx(5 * 0.6, abs=0.61)


async def test_car_without_a_cable_does_not_charge(car):
    await car.report(0, "unplugged", level=60)
    for minutes, level, rate in ((5, 60, 12), (20, 59, 9)):
        record = await car.report(minutes, "charging", isPluggedIn=False, level=level, chargeRate=rate)
        charge = record["vehicle"]["chargeState"]
        assert (charge["isPluggedIn"], charge["isCharging"], charge["powerDeliveryState"], charge["chargeRate"]) == (
            False,
            False,
            "UNPLUGGED",
            None,
        )
        assert record["corrections"] == [
            "powerDeliveryState:isPluggedIn",
            "isCharging:powerDeliveryState",
            "chargeRate:notCharging",
        ]
    await car.report(25, "unplugged", level=58)
    await expect_nothing_charged(car)
    assert await car.list_transitions() == []


async def test_car_whose_level_rises_without_a_cable_charges(car):
    await car.report(0, "unplugged", level=60)
    for minutes, level in ((5, 60), (10, 61), (15, 61), (20, 62), (30, 64)):
        record = await car.report(minutes, "charging", isPluggedIn=False, level=level, chargeRate=7.2)
    charge = record["vehicle"]["chargeState"]
    assert (charge["isPluggedIn"], charge["isCharging"], charge["powerDeliveryState"], charge["chargeRate"]) == (
        True,
        True,
        "PLUGGED_IN:CHARGING",
        7.2,
    )
    assert record["corrections"] == ["isPluggedIn:batteryLevel"]
    assert await car.list_transitions() == ["plugged_in", "charging_started"]
    assert len(await car.list_sessions()) == 1


@pytest.mark.parametrize("state", ["stopped", "unplugged", "complete"])
async def test_rate_and_time_from_the_last_charge_are_not_shown(car, state):
    record = await car.report(0, state, level=80, chargeRate=7.2, chargeTimeRemaining=45)
    charge = record["vehicle"]["chargeState"]
    assert (charge["chargeRate"], charge["chargeTimeRemaining"]) == (None, None)
    assert record["corrections"] == ["chargeRate:notCharging", "chargeTimeRemaining:notCharging"]


async def test_first_odometer_of_zero_is_unknown_and_no_drive(car):
    """A small battery that charges in a silence: after a drive, its engine might have charged it."""
    record = await car.report(0, "stopped", level=40, km=0, batteryCapacity=20)
    assert (record["vehicle"]["odometer"]["distance"], record["corrections"]) == (None, ["odometer:unconfirmed"])
    record = await car.report(60, "stopped", level=45, km=12345, batteryCapacity=20)
    assert (record["vehicle"]["odometer"]["distance"], record["corrections"]) == (12345, [])
    assert await car.list_sessions() == [pytest.approx(1)]


async def test_odometer_that_falls_is_held(car):
    odometers = []
    for minutes, km in ((0, 12345), (5, 0), (10, 12345), (15, 12350)):
        record = await car.report(minutes, "unplugged", level=57, km=km)
        odometers.append(record["vehicle"]["odometer"]["distance"])
        assert ("odometer:held" in record["corrections"]) is (km == 0)
    assert odometers == [12345, 12345, 12345, 12350]


async def test_time_in_the_future_is_that_of_its_event(car):
    ahead = {"lastSeen": "2026-11-23T14:00:00.000Z"}
    record = await car.report(0, "unplugged", groups=ahead)
    assert (record["vehicle"]["lastSeen"], record["corrections"]) == ("2026-11-23T12:00:00.000Z", ["lastSeen:future"])


ASLEEP = {"isReachable": False}


async def test_what_an_unreachable_car_does_not_report_stays_as_it_was_shown(car):
    """The flags are known, the level isn't; the level before was held."""
    await car.report(0, "stopped", level=72)
    await car.report(5, "stopped", level=0, range=0)
    record = await car.report(10, "charging", level=None, range=None, batteryCapacity=None, groups=ASLEEP)
    charge = record["vehicle"]["chargeState"]
    assert (charge["batteryLevel"], charge["range"], charge["batteryCapacity"]) == (72, 241, 60)
    assert (charge["isCharging"], charge["powerDeliveryState"]) == (True, "PLUGGED_IN:CHARGING")
    assert set(record["corrections"]) == {"batteryLevel:held", "range:held"}
    record = await car.report(15, "stopped", level=72)
    assert (record["vehicle"]["chargeState"]["batteryLevel"], record["corrections"]) == (72, [])
    await expect_nothing_charged(car)


async def test_charging_expires_though_an_unreachable_car_reports_its_level(car):
    await car.report(0, "charging", level=40, chargeRate=7)
    for hours, level in ((4, 41), (7, 42)):
        record = await car.report(60 * hours, "unknown", level=level, groups=ASLEEP)
        assert (record["vehicle"]["chargeState"]["isCharging"], record["corrections"]) == (True, [])
    record = await car.report(60 * 9, "unknown", level=43, groups=ASLEEP)
    charge = record["vehicle"]["chargeState"]
    assert (charge["batteryLevel"], charge["isCharging"], record["corrections"]) == (43, None, ["isCharging:expired"])


async def test_level_that_is_unknown_while_a_car_can_be_reached_is_shown_as_unknown(car):
    await car.report(0, "stopped", level=72)
    record = await car.report(5, "stopped", level=None)
    assert (record["vehicle"]["chargeState"]["batteryLevel"], record["corrections"]) == (None, [])
