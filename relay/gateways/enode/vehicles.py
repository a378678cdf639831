"""Calls about vehicles. A vehicle stays the JSON object that Enode sent: the relay has no vehicle model of its own."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from relay.gateways.enode.actions import ActionKind, ChargeAction
from relay.gateways.enode.api import ApiCall, EnodeApi
from relay.gateways.enode.json_fields import parse_json, require_object, require_text
from relay.gateways.enode.pagination import fetch_pages
from relay.gateways.enode.retry import RetryMode
from relay.kit.json_object import JsonObject

type VehicleObject = Mapping[str, Any]
"""Enode's vehicle object with every key it sent. Only `id` and `userId` are guaranteed; the others may be null or
absent, and Enode may add some: `vendor, lastSeen, isReachable, information, chargeState, smartChargingPolicy, location,
odometer, capabilities, scopes`. Units: percent, km, kW, kWh, A, minutes, degrees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleReading:
    """A vehicle. `as_of` is the time, by Enode's clock, at which it was certainly current."""

    vehicle: VehicleObject = field(repr=False)
    as_of: datetime

    @property
    def id(self) -> str:
        """Enode's id of the vehicle."""
        return str(self.vehicle["id"])

    @property
    def user_id(self) -> str:
        """The user it is linked to."""
        return str(self.vehicle["userId"])


def validate_vehicle(source: JsonObject, operation: str) -> VehicleObject:
    """Check the ids of a vehicle from a response or a webhook event, and return it. Raises EnodeProtocolError."""
    require_text(source, "id", operation)
    require_text(source, "userId", operation)
    return source


class Vehicles:
    """Calls about vehicles."""

    def __init__(self, api: EnodeApi) -> None:
        self._api = api

    def list_all(self) -> AsyncIterator[VehicleReading]:
        """Yield every vehicle of every user."""
        return self._list_route("/vehicles")

    def list_for_user(self, user_id: str) -> AsyncIterator[VehicleReading]:
        """Yield the user's vehicles; none for an unknown user."""
        return self._list_route("/users/{}/vehicles", user_id)

    async def get(self, vehicle_id: str) -> VehicleReading:
        """Return the vehicle. Raises EnodeNotFound."""
        call = ApiCall(method="GET", route="/vehicles/{}", ids=(vehicle_id,))
        response = await self._api.send(call)
        source = require_object(parse_json(response.body, call.operation), call.operation)
        return VehicleReading(vehicle=validate_vehicle(source, call.operation), as_of=response.as_of)

    async def send_refresh_hint(self, vehicle_id: str) -> None:
        """Ask Enode to refresh the vehicle soon. New data arrives later as a normal update. Raises EnodeNotFound."""
        await self._api.send(ApiCall(method="POST", route="/vehicles/{}/refresh-hint", ids=(vehicle_id,)))

    async def control_charging(self, vehicle_id: str, kind: ActionKind) -> ChargeAction:
        """Command the vehicle to start or stop charging. The action is mostly PENDING, but can already be CANCELLED.

        While an action of the same kind is pending, Enode returns that one; a pending one of the other kind is
        cancelled.

        Raises EnodeRefused (not capable, already in that state, a charging schedule is active), EnodeNotFound or
        another EnodeError. If its `is_outcome_unknown` is True, the vehicle may still act. Such a call is not retried
        here; check the vehicle before you repeat it.
        """
        call = ApiCall(
            method="POST",
            route="/vehicles/{}/charging",
            ids=(vehicle_id,),
            body={"action": kind.value},
            retry_mode=RetryMode.IF_NOT_PROCESSED,
        )
        return ChargeAction.from_json(await self._api.get_object(call), call.operation)

    async def set_max_current(self, vehicle_id: str, amps: float) -> ChargeAction:
        """Limit the charging current. Otherwise like `control_charging`; few vehicles are capable of it."""
        call = ApiCall(
            method="POST",
            route="/vehicles/{}/max-current",
            ids=(vehicle_id,),
            body={"maxCurrent": amps},
            retry_mode=RetryMode.IF_NOT_PROCESSED,
        )
        return ChargeAction.from_json(await self._api.get_object(call), call.operation)

    async def _list_route(self, route: str, *ids: str) -> AsyncIterator[VehicleReading]:
        async for page in fetch_pages(self._api, route, *ids):
            for item in page.items:
                yield VehicleReading(vehicle=validate_vehicle(item, f"GET {route}"), as_of=page.as_of)
