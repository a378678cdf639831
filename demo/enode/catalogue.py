"""The vendors and car models of the simulator. SIM: fictional, chosen to differ from each other."""

from dataclasses import dataclass, field

from demo.enode.interventions import PRIMARY_USER
from demo.enode.physics import CarSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A vendor whose accounts can be linked."""

    name: str
    """In Enode's spelling."""
    display_name: str
    portal_name: str
    """The app in whose account drivers sign in."""
    hue: int
    """Color hue of its icon on the link page, 0 to 359."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A car in a vendor's account."""

    key: str
    vendor: str
    brand: str
    name: str
    year: int
    nickname: str
    vin_prefix: str
    spec: CarSpec
    initial_battery_percent: float
    """Battery level in percent when its account is first linked."""
    charge_limit: float
    odometer_km: float
    home: tuple[float, float]
    """Latitude and longitude."""
    response_seconds: float = 20.0
    """Simulated seconds from a command to its execution."""
    withheld_fields: frozenset[str] = frozenset()
    """Dotted paths of the vehicle object that this vendor never reports; always null."""
    missing_capabilities: frozenset[str] = frozenset()
    """Capabilities that the car does not have."""
    interventions: dict[str, str] = field(default_factory=dict)
    """Capability → id of the intervention that blocks it."""
    level_step: float = 1
    """The battery level is reported in multiples of this many percent."""
    reported_battery_kwh: float | None = None
    """The capacity that the vendor reports; None for the true usable one. Some report the nominal capacity."""
    reports_unplugged_when_full: bool = False
    """Observed with XPENG: UNPLUGGED is reported as soon as the charge is complete."""


VENDORS = {
    row.name: row
    for row in (
        Vendor(name="TESLA", display_name="Tesla", portal_name="Tesla", hue=355),
        Vendor(name="VOLKSWAGEN", display_name="Volkswagen", portal_name="We Connect ID", hue=214),
        Vendor(name="XPENG", display_name="XPENG", portal_name="XPENG", hue=140),
        Vendor(name="NISSAN", display_name="Nissan", portal_name="NissanConnect", hue=20),
    )
}

MODELS = {
    row.key: row
    for row in (
        Model(
            key="tesla-model-3",
            vendor="TESLA",
            brand="Tesla",
            name="Model 3",
            year=2023,
            nickname="Blue car",
            vin_prefix="5YJ3E7EB",
            spec=CarSpec(battery_kwh=60, kwh_per_km=0.155, cruise_kmh=62, phases=3, amps=16, loop_km=64),
            initial_battery_percent=52,
            charge_limit=80,
            odometer_km=48_213,
            home=(52.0907, 5.1214),
        ),
        Model(
            key="tesla-model-y",
            vendor="TESLA",
            brand="Tesla",
            name="Model Y",
            year=2024,
            nickname="Family car",
            vin_prefix="XP7YGCEK",
            spec=CarSpec(battery_kwh=75, kwh_per_km=0.17, cruise_kmh=58, phases=3, amps=16, loop_km=44),
            initial_battery_percent=71,
            charge_limit=85,
            odometer_km=18_940,
            home=(52.0832, 5.1391),
        ),
        Model(
            key="volkswagen-id4",
            vendor="VOLKSWAGEN",
            brand="Volkswagen",
            name="ID.4",
            year=2022,
            nickname="Grey bus",
            vin_prefix="WVGZZZE2",
            spec=CarSpec(battery_kwh=77, kwh_per_km=0.19, cruise_kmh=55, phases=3, amps=16, loop_km=52),
            initial_battery_percent=38,
            charge_limit=80,
            odometer_km=61_377,
            home=(52.3731, 4.8926),
            response_seconds=60.0,
            missing_capabilities=frozenset({"location", "setMaxCurrent"}),
            interventions={"location": PRIMARY_USER.id, "smartCharging": PRIMARY_USER.id},
            withheld_fields=frozenset({"chargeState.maxCurrent", "location.latitude", "location.longitude"}),
        ),
        Model(
            key="xpeng-g6",
            vendor="XPENG",
            brand="XPENG",
            name="G6",
            year=2024,
            nickname="Comet",
            vin_prefix="L1NNSGHA",
            spec=CarSpec(battery_kwh=87, kwh_per_km=0.18, cruise_kmh=66, phases=3, amps=16, loop_km=58),
            initial_battery_percent=66,
            charge_limit=90,
            odometer_km=9_802,
            home=(51.9244, 4.4777),
            response_seconds=35.0,
            missing_capabilities=frozenset({"setMaxCurrent"}),
            withheld_fields=frozenset({"chargeState.maxCurrent", "information.displayName"}),
            reports_unplugged_when_full=True,
        ),
        Model(
            key="nissan-leaf",
            vendor="NISSAN",
            brand="Nissan",
            name="LEAF",
            year=2019,
            nickname="Leafy",
            vin_prefix="SJNFAAZE",
            spec=CarSpec(battery_kwh=36, kwh_per_km=0.15, cruise_kmh=48, phases=1, amps=28, loop_km=38),
            initial_battery_percent=47,
            charge_limit=100,
            odometer_km=87_055,
            home=(52.1601, 4.4970),
            missing_capabilities=frozenset(
                {"location", "odometer", "startCharging", "stopCharging", "setMaxCurrent", "smartCharging"}
            ),
            withheld_fields=frozenset(
                {
                    "isReachable",
                    "information.vin",
                    "information.year",
                    "information.displayName",
                    "chargeState.batteryCapacity",
                    "chargeState.chargeLimit",
                    "chargeState.chargeRate",
                    "chargeState.chargeTimeRemaining",
                    "chargeState.maxCurrent",
                    "location.latitude",
                    "location.longitude",
                    "odometer.distance",
                }
            ),
        ),
    )
}
