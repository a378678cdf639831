"""A vehicle whose reports are merged and corrected one after the other."""

from datetime import UTC, datetime, timedelta

from relay.vehicles.corrections import derive_corrections, remember_odometer
from relay.vehicles.merge import merge_report
from relay.vehicles.models import CorrectionOverlay, VehicleReport, VehicleState
from relay.vehicles.plausibility.raw_samples import merge_raw_samples, parse_raw_sample
from relay.vehicles.plausibility.stage import PlausibilityMemory, check_samples

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HELD_RULE, IS_CHARGING_RULE, CHARGE_RATE_RULE = (
    "powerDeliveryState:held",
    "isCharging:powerDeliveryState",
    "chargeRate:estimated",
)


class CorrectedVehicle:
    """A vehicle whose reports are merged and corrected one after the other.

    `readings` is what the charging history gets of each sample, in order of time.
    """

    def __init__(self, vendor="XPENG"):
        self.vendor, self.state, self.corrected, self.number = vendor, VehicleState(), CorrectionOverlay(), 0
        self.samples, self.plausibility, self.readings = {}, PlausibilityMemory(), []

    def report_charge(self, state, minutes, *, level=80, km=1000.0, place=(52.0, 5.0), groups=None, **charge):
        at = (NOON + timedelta(minutes=minutes)).isoformat()
        plugged_in = state.startswith("PLUGGED_IN") if state != "UNKNOWN" else None
        group = {
            "powerDeliveryState": state,
            "isPluggedIn": plugged_in,
            "isCharging": state == "PLUGGED_IN:CHARGING",
            "isFullyCharged": state == "PLUGGED_IN:COMPLETE",
            "batteryLevel": level,
            "batteryCapacity": 60,
            "chargeLimit": 80,
            "chargeRate": 7.0 if state == "PLUGGED_IN:CHARGING" else None,
            "lastUpdated": at,
        } | charge
        vehicle = {
            "vendor": self.vendor,
            "isReachable": True,
            "chargeState": group,
            "odometer": {"distance": km, "lastUpdated": at},
            "location": {"latitude": place[0], "longitude": place[1], "lastUpdated": at},
        } | (groups or {})
        self.report(vehicle, minutes)
        return self.charge_state

    def report(self, vehicle, minutes):
        self.number += 1
        report = VehicleReport(
            enode_vehicle_id="car",
            created_at=NOON + timedelta(minutes=minutes),
            event_id=self.number,
            vehicle=vehicle,
        )
        self.state = merge_report(self.state, report)
        sample = parse_raw_sample(report)
        if sample is not None:
            self.add_sample(sample)
        memory = remember_odometer(self.corrected.memory, report)
        self.corrected = derive_corrections(self.state, self.plausibility, memory)

    def add_sample(self, sample):
        """Process the newest sample alone, and all of them again when one is late."""
        last = self.plausibility.last
        known = self.samples.get(sample.at)
        self.samples[sample.at] = sample if known is None else merge_raw_samples(known, sample)
        if last is None or sample.at > last.at:
            self.plausibility, checked = check_samples(self.plausibility, [sample])
            self.readings.append(checked[0].reading)
            return
        ordered = [self.samples[moment] for moment in sorted(self.samples)]
        self.plausibility, checked = check_samples(PlausibilityMemory(), ordered)
        self.readings = [sample.reading for sample in checked]

    @property
    def visible_groups(self):
        """The vehicle as users see it."""
        return {**self.state.groups, **self.corrected.overlay}

    @property
    def charge_state(self):
        return self.visible_groups["chargeState"]

    @property
    def is_held(self):
        """Whether it is shown as plugged in although it reports UNPLUGGED."""
        return HELD_RULE in self.corrected.names
