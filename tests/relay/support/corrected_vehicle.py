"""A vehicle whose reports are merged and corrected one after the other."""

from datetime import UTC, datetime, timedelta

from relay.vehicles.corrections import RULES, derive_corrections
from relay.vehicles.merge import merge_report
from relay.vehicles.models import CorrectionOverlay, VehicleReport, VehicleState

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HELD_RULE, IS_CHARGING_RULE, CHARGE_RATE_RULE = (rule.name for rule in RULES)


class CorrectedVehicle:
    """A vehicle whose reports are merged and corrected one after the other."""

    def __init__(self, vendor="XPENG"):
        self.vendor, self.state, self.corrected, self.number = vendor, VehicleState(), CorrectionOverlay(), 0

    def report_charge(self, state, minutes, *, level=80, km=1000.0, place=(52.0, 5.0), **charge):
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
            "chargeState": group,
            "odometer": {"distance": km, "lastUpdated": at},
            "location": {"latitude": place[0], "longitude": place[1], "lastUpdated": at},
        }
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
        self.corrected = derive_corrections(self.corrected.memory, self.state)

    @property
    def charge_state(self):
        groups = {**self.state.groups, **self.corrected.overlay}
        return groups["chargeState"]

    @property
    def is_held(self):
        """Whether it is shown as plugged in although it reports UNPLUGGED."""
        return HELD_RULE in self.corrected.names
