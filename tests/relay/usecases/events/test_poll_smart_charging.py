"""Which statuses of smart charging are read at a poll, and the events that they become."""

import asyncio
from datetime import UTC, datetime

import pytest

from relay.gateways.enode import EnodeUnavailable, VehicleReading
from relay.usecases.events.poll_smart_charging import SmartChargingPoller

AS_OF = datetime(2026, 11, 25, tzinfo=UTC)
STATUS = {"vehicleId": "car", "state": "CONSIDERING", "updatedAt": "2026-11-25T18:00:00.000Z"}


class Enode:
    """A test double of the part of EnodeClient that is used."""

    def __init__(self, statuses):
        self.statuses, self.calls, self.smart_charging = statuses, [], self

    async def get_status(self, vehicle_id):
        self.calls.append(vehicle_id)
        await asyncio.sleep(0)
        if vehicle_id not in self.statuses:
            raise EnodeUnavailable("GET", cause="no answer", is_outcome_unknown=True)
        return self.statuses[vehicle_id]


def make_reading(vehicle_id, policy):
    return VehicleReading(vehicle={"id": vehicle_id, "userId": "u1", "smartChargingPolicy": policy}, as_of=AS_OF)


async def test_event_is_that_of_enodes_webhook():
    events = await SmartChargingPoller().fetch_events(
        Enode({"car": STATUS}), [make_reading("car", {"isEnabled": True})]
    )
    assert events == [
        {
            "event": "user:vehicle:smart-charging-status-updated",
            "createdAt": STATUS["updatedAt"],
            "version": "2024-10-01",
            "user": {"id": "u1"},
            "smartChargingStatus": STATUS,
            "updatedFields": [],
        }
    ]


@pytest.mark.parametrize("policy", [None, {}, {"isEnabled": False}, {"isEnabled": "true"}, {"isEnabled": 1}])
async def test_vehicle_without_smart_charging_is_not_read(policy):
    enode = Enode({"car": STATUS})
    assert await SmartChargingPoller().fetch_events(enode, [make_reading("car", policy)]) == []
    assert enode.calls == []


async def test_vehicle_is_read_once_more_after_it_was_turned_off():
    enode, poller = Enode({"car": STATUS}), SmartChargingPoller()
    for is_enabled in (True, False, False):
        await poller.fetch_events(enode, [make_reading("car", {"isEnabled": is_enabled})])
    assert enode.calls == ["car", "car"]


@pytest.mark.parametrize("odd", [{}, {"car": {"state": "CONSIDERING"}}, {"car": STATUS | {"updatedAt": 7}}])
async def test_status_that_cannot_be_read_leaves_out_only_itself(odd):
    enode = Enode(odd | {"other": STATUS})
    readings = [make_reading(vehicle_id, {"isEnabled": True}) for vehicle_id in ("car", "other")]
    assert len(await SmartChargingPoller().fetch_events(enode, readings)) == 1
