"""Cars that report what the cases of issue 12 say, through the signed webhook, and what users then see."""

from dataclasses import dataclass

from relay.usecases.feed.reader import read_snapshot
from tests.relay.support.charging_events import list_sessions
from tests.relay.support.enode_events import Pipeline, at, format_time, make_event

STATES = {
    "stopped": (True, False, "PLUGGED_IN:STOPPED"),
    "complete": (True, False, "PLUGGED_IN:COMPLETE"),
    "charging": (True, True, "PLUGGED_IN:CHARGING"),
    "unplugged": (False, False, "UNPLUGGED"),
    "unknown": (None, None, "UNKNOWN"),
}


def make_car(minutes, state="stopped", *, level=72, km=12345, vendor="HYUNDAI", groups=None, **charge):
    """Enode's vehicle object as the car reports it `minutes` after noon, all its groups read at that time."""
    time = format_time(at(60 * minutes))
    plugged_in, charging, delivery = STATES[state]
    return {
        "id": "car",
        "userId": "any",
        "vendor": vendor,
        "lastSeen": time,
        "isReachable": True,
        "information": {"vin": None, "brand": "Hyundai", "model": "Test", "year": 2023, "displayName": "Test car"},
        "chargeState": {
            "batteryLevel": level,
            "range": 241,
            "isPluggedIn": plugged_in,
            "isCharging": charging,
            "isFullyCharged": False,
            "batteryCapacity": 60,
            "chargeLimit": 80,
            "chargeRate": None,
            "chargeTimeRemaining": None,
            "maxCurrent": None,
            "powerDeliveryState": delivery,
            "pluggedInChargerId": None,
            "lastUpdated": time,
        }
        | charge,
        "location": {"id": None, "latitude": 52.2, "longitude": 5.2, "lastUpdated": time},
        "odometer": {"distance": km, "lastUpdated": time},
        "scopes": ["vehicle:read:data", "vehicle:read:location", "vehicle:control:charging"],
    } | (groups or {})


@dataclass
class ReportedCar:
    """A car whose reports are posted one by one, and what its user sees after each of them."""

    pipeline: Pipeline

    async def report(self, minutes, state="stopped", *, created=None, **members):
        """Post the car's report of a moment, created at that moment unless said otherwise; returns its record."""
        car = make_car(minutes, state, **members)
        time = at(60 * (minutes if created is None else created))
        await self.pipeline.process(make_event("user:vehicle:updated", time, self.pipeline.user_id, vehicle=car))
        return await self.get_record()

    async def get_record(self):
        async with self.pipeline.pool.connection() as connection:
            (record,) = (await read_snapshot(connection, self.pipeline.user_id)).vehicles
        return record

    async def get_charge_state(self):
        return (await self.get_record())["vehicle"]["chargeState"]

    async def list_sessions(self, kind="charge"):
        """The energy of each session of this kind."""
        return [session["energy_kwh"] for session in await list_sessions(self.pipeline) if session["kind"] == kind]

    async def get_lifetime_kwh(self):
        return (await self.get_record())["energy"]["lifetime_kwh"]

    async def list_transitions(self):
        return await self.pipeline.list_transition_kinds()
