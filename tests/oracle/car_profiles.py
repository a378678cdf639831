"""Random cars: their technical data, and how their vendor reports them."""

from dataclasses import dataclass
from random import Random

from demo.enode.catalogue import Model
from demo.enode.daily_routine import Stage
from demo.enode.physics import CarSpec, CarState, with_battery_percent
from demo.enode.world import Car

HOME = (52.0907, 5.1214)
VENDORS = ("HYUNDAI", "RENAULT", "VOLKSWAGEN", "TESLA", "VOLVO", "BMW", "TOYOTA")  # none has a rule of its own

# Usable kWh (least, most), kWh per km, cruising speed, AC phases and amps.
SIZES = {
    "hybrid": ((8, 14), 0.18, 60, (1,), (10, 16)),
    "small": ((30, 42), 0.15, 55, (1, 3), (16, 32)),
    "middle": ((48, 80), 0.17, 65, (1, 3), (10, 16, 32)),
    "large": ((82, 120), 0.21, 80, (3,), (16, 32)),
    "truck": ((300, 600), 1.2, 70, (3,), (32, 63)),
}
SIZE_WEIGHTS = (2, 2, 5, 2, 1)
MAX_DC_KW = 1000.0  # the megawatt chargers of 2025 (BYD, trucks)
MAX_DC_RATE = 6.5  # power in multiples of the capacity; BYD's 1,000 kW charge gains 55 % in five minutes
HYBRID_KWH = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedCar(Car):
    """A car of a model that isn't in the simulator's catalogue."""

    generated: Model

    @property
    def model(self):
        return self.generated


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """How Enode learns of the car. Times are in seconds."""

    poll_idle: float
    poll_charging: float
    # The vendor pushes changes at the plug; otherwise the next poll finds them.
    pushes: bool
    # chargeState.lastUpdated is the time of the last change; otherwise that of the last poll.
    updates_on_change: bool
    # From the observation to Enode's event.
    latency: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CarProfile:
    """A car, and how it is reported."""

    size: str
    car: GeneratedCar
    reporting: Reporting

    @property
    def spec(self) -> CarSpec:
        return self.car.generated.spec

    @property
    def is_hybrid(self) -> bool:
        return self.spec.battery_kwh <= HYBRID_KWH

    def tells(self, path: str) -> bool:
        """Whether the vendor reports this field of the vehicle object."""
        return path not in self.car.generated.withheld_fields

    @property
    def told_capacity(self) -> float | None:
        model = self.car.generated
        return (model.reported_battery_kwh or model.spec.battery_kwh) if self.tells(CAPACITY) else None

    @property
    def step(self) -> float:
        """The smallest step of the reported level in percent."""
        return self.car.generated.level_step

    def describe(self) -> str:
        hidden = sorted(self.car.generated.withheld_fields)
        reporting = self.reporting
        return (
            f"{self.size} {self.spec.battery_kwh:g} kWh (told {self.told_capacity}), level step {self.step:g} %,"
            f" polls {reporting.poll_charging:.0f}/{reporting.poll_idle:.0f} s, pushes {reporting.pushes},"
            f" withheld {hidden or 'nothing'}"
        )


CAPACITY = "chargeState.batteryCapacity"
RATE = "chargeState.chargeRate"


def create_profile(random: Random) -> CarProfile:
    """A random car with a random battery level, parked at home."""
    size = random.choices(list(SIZES), SIZE_WEIGHTS)[0]
    (least, most), consumption, speed, phases, amps = SIZES[size]
    spec = CarSpec(
        battery_kwh=round(random.uniform(least, most), 1),
        kwh_per_km=round(consumption * random.uniform(0.85, 1.3), 3),
        cruise_kmh=speed * random.uniform(0.7, 1.6),
        phases=random.choice(phases),
        amps=random.choice(amps),
        loop_km=random.uniform(15, 180),
        reserve_percent=random.choice((0.0, 0.0, 4.0)),
    )
    model = Model(
        key="generated",
        vendor=random.choice(VENDORS),
        brand="Generated",
        name=size,
        year=2025,
        nickname="Generated car",
        vin_prefix="EVCTESTS",
        spec=spec,
        initial_battery_percent=random.choice((2.0, 20.0, 35.0, 50.0, 65.0, 80.0, 100.0)),
        charge_limit=random.choice((50.0, 70.0, 80.0, 80.0, 90.0, 100.0, 100.0)),
        odometer_km=round(random.uniform(20, 200_000), 1),
        home=HOME,
        withheld_fields=frozenset(_choose_withheld_fields(random)),
        level_step=random.choices((1, 5, 0.5, 2), (14, 3, 1, 1))[0],
        reported_battery_kwh=random.choices((None, round(spec.battery_kwh * random.uniform(1.03, 1.1), 1)), (4, 1))[0],
    )
    state = CarState(
        energy_kwh=0.0,
        odometer_km=model.odometer_km,
        limit_percent=model.charge_limit,
        max_current=spec.amps,
    )
    car = GeneratedCar(
        key="car",
        model_key="generated",
        vin="EVCTESTS000000001",
        state=with_battery_percent(spec, state, model.initial_battery_percent),
        stage=Stage.AT_HOME,
        pinned=True,
        generated=model,
    )
    return CarProfile(size=size, car=car, reporting=_create_reporting(random))


def _choose_withheld_fields(random: Random) -> set[str]:
    withheld = set()
    if random.random() < 0.35:
        withheld |= {RATE, "chargeState.chargeTimeRemaining"}
    for share, paths in (
        (0.12, (CAPACITY,)),
        (0.15, ("chargeState.chargeLimit",)),
        (0.15, ("chargeState.range",)),
        (0.15, ("odometer.distance",)),
        (0.12, ("location.latitude", "location.longitude")),
        (0.5, ("chargeState.maxCurrent",)),
    ):
        if random.random() < share:
            withheld |= set(paths)
    return withheld


def _create_reporting(random: Random) -> Reporting:
    return Reporting(
        poll_idle=random.choice((300.0, 420.0, 420.0, 600.0, 900.0)),
        poll_charging=random.choice((60.0, 120.0, 120.0, 120.0, 300.0)),
        pushes=random.random() < 0.6,
        updates_on_change=random.random() < 0.5,
        latency=random.choice((0.4, 1.5, 6.0, 45.0, 240.0)),
    )
