"""Enode's smart charging of a vehicle: its policy, and the override that charges now."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from relay.gateways.enode.api import ApiCall, EnodeApi
from relay.gateways.enode.json_fields import parse_bool, parse_float, parse_text
from relay.gateways.enode.retry import RetryMode
from relay.kit.json_object import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartChargingPolicy:
    """Enode's policy. `deadline` is `HH:MM` in the time zone of the Location, in UTC without one."""

    is_enabled: bool
    deadline: str | None
    minimum_level: float

    @classmethod
    def from_json(cls, source: JsonObject) -> Self:
        """Parse Enode's JSON; what is missing has Enode's defaults."""
        return cls(
            is_enabled=parse_bool(source, "isEnabled") is True,
            deadline=parse_text(source, "deadline"),
            minimum_level=parse_float(source, "minimumChargeLimit") or 0,
        )


class SmartCharging:
    """Calls about smart charging."""

    def __init__(self, api: EnodeApi) -> None:
        self._api = api

    async def update_policy(self, vehicle_id: str, changes: Mapping[str, bool | str | float]) -> SmartChargingPolicy:
        """Change members of the policy, in Enode's names, and return all of it.

        Raises EnodeRefused if a deadline is missing, no price is known, or another user controls the vehicle.
        """
        call = ApiCall(method="PUT", route="/vehicles/{}/smart-charging-policy", ids=(vehicle_id,), body=changes)
        return SmartChargingPolicy.from_json(await self._api.get_object(call))

    async def get_status(self, vehicle_id: str) -> JsonObject:
        """Return the status, as Enode's event about it has it. Raises EnodeNotFound."""
        return await self._api.get_object(
            ApiCall(method="GET", route="/vehicles/{}/smart-charging-status", ids=(vehicle_id,))
        )

    async def start_override(self, vehicle_id: str) -> None:
        """Charge now, until charging ends or the override is ended. Repeating it changes nothing."""
        call = ApiCall(
            method="POST",
            route="/vehicles/{}/smart-override",
            ids=(vehicle_id,),
            retry_mode=RetryMode.IF_NOT_PROCESSED,
        )
        await self._api.get_object(call)

    async def end_override(self, vehicle_id: str) -> None:
        """Return control to the policy. Raises EnodeNotFound if there is no override."""
        await self._api.get_object(ApiCall(method="DELETE", route="/vehicles/{}/smart-override", ids=(vehicle_id,)))
