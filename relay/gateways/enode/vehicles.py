"""Vehicles, as Enode tells them. The object stays Enode's JSON: the relay has no vehicle model of its own."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from relay.gateways.enode.actions import ActionKind, ChargeAction
from relay.gateways.enode.api import Call, EnodeApi
from relay.gateways.enode.fields import JsonObject, as_object, parse_json, required
from relay.gateways.enode.pages import pages
from relay.gateways.enode.retry import Repeat

type VehicleObject = Mapping[str, Any]
"""Enode's vehicle object with every key it sent. `id` and `userId` are certain; all else may be null, absent or new:
`vendor, lastSeen, isReachable, information, chargeState, smartChargingPolicy, location, odometer, capabilities,
scopes`. Percent, km, kW, kWh, A, minutes and degrees are the units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleReading:
    """A vehicle, and the moment, on Enode's clock, from which on it may be stale."""

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


def read_vehicle(source: JsonObject, operation: str) -> VehicleObject:
    """`source`, an answer's or a webhook event's vehicle, with its ids made sure of. Raises EnodeProtocolError."""
    required(source, "id", operation)
    required(source, "userId", operation)
    return source


class Vehicles:
    """Calls about vehicles."""

    def __init__(self, api: EnodeApi) -> None:
        self._api = api

    def all(self) -> AsyncIterator[VehicleReading]:
        """Every vehicle of every user."""
        return self._listed("/vehicles")

    def of_user(self, user_id: str) -> AsyncIterator[VehicleReading]:
        """The user's vehicles; none for an unknown user."""
        return self._listed("/users/{}/vehicles", user_id)

    async def get(self, vehicle_id: str) -> VehicleReading:
        """The vehicle. Raises EnodeNotFound."""
        call = Call(method="GET", route="/vehicles/{}", ids=(vehicle_id,))
        answer = await self._api.send(call)
        source = as_object(parse_json(answer.body, call.operation), call.operation)
        return VehicleReading(vehicle=read_vehicle(source, call.operation), as_of=answer.as_of)

    async def refresh_hint(self, vehicle_id: str) -> None:
        """Ask Enode to look at the vehicle soon. News come later, the usual way. Raises EnodeNotFound."""
        await self._api.send(Call(method="POST", route="/vehicles/{}/refresh-hint", ids=(vehicle_id,)))

    async def charge(self, vehicle_id: str, kind: ActionKind) -> ChargeAction:
        """Ask the vehicle to start or stop charging. The action is mostly PENDING, but can be CANCELLED at once.

        While an action of the same kind is pending Enode returns that one; one of the other kind is cancelled.

        Raises EnodeRefused (not capable, already so, a schedule rules), EnodeNotFound or another EnodeError. One that
        was `sent` leaves it open whether the vehicle will act: it was not repeated, and must not be blindly.
        """
        call = Call(
            method="POST",
            route="/vehicles/{}/charging",
            ids=(vehicle_id,),
            body={"action": kind.value},
            repeat=Repeat.IF_NOT_DONE,
        )
        return ChargeAction.read(await self._api.get_object(call), call.operation)

    async def set_max_current(self, vehicle_id: str, amps: float) -> ChargeAction:
        """Ask the vehicle to draw no more than this. The rest is as for `charge`; few vehicles are capable."""
        call = Call(
            method="POST",
            route="/vehicles/{}/max-current",
            ids=(vehicle_id,),
            body={"maxCurrent": amps},
            repeat=Repeat.IF_NOT_DONE,
        )
        return ChargeAction.read(await self._api.get_object(call), call.operation)

    async def _listed(self, route: str, *ids: str) -> AsyncIterator[VehicleReading]:
        async for page in pages(self._api, route, *ids):
            for item in page.items:
                yield VehicleReading(vehicle=read_vehicle(item, f"GET {route}"), as_of=page.as_of)
