"""Enode's actions: the progress and result of commands sent to a vehicle."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from relay.gateways.enode.api import ApiCall, EnodeApi
from relay.gateways.enode.errors import EnodeRefused
from relay.gateways.enode.json_fields import (
    parse_datetime,
    parse_enum,
    parse_float,
    parse_json,
    parse_object,
    parse_text,
    require_object,
    require_text,
)
from relay.kit.json_object import JsonObject

CONFLICT = 409


class ActionKind(StrEnum):
    """A charging command."""

    START = "START"
    STOP = "STOP"


class ActionState(StrEnum):
    """The state of an action. All but PENDING are final."""

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureReason:
    """Why an action failed or was cancelled. `type` is for example NO_RESPONSE or CONFLICT; Enode may add others."""

    type: str
    detail: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeAction:
    """Enode's record of a command. An unknown state or kind is kept as the text that Enode sent."""

    id: str
    user_id: str
    target_id: str
    target_type: str | None
    kind: ActionKind | str | None
    """None for actions without a kind, such as setting the maximum current."""
    max_current: float | None = None
    """The requested maximum current in amperes; only in actions without a kind."""
    state: ActionState | str
    failure_reason: FailureReason | None
    created_at: datetime | None
    updated_at: datetime | None
    completed_at: datetime | None

    @classmethod
    def from_json(cls, source: JsonObject, operation: str) -> Self:
        """Parse a response body or the `vendorAction` of a webhook event. `operation` names the source in errors.

        Raises EnodeProtocolError.
        """
        return cls(
            id=require_text(source, "id", operation),
            user_id=require_text(source, "userId", operation),
            target_id=require_text(source, "targetId", operation),
            target_type=parse_text(source, "targetType"),
            kind=parse_enum(source, "kind", ActionKind),
            max_current=parse_float(parse_object(source, "targetState") or {}, "maxCurrent"),
            state=parse_enum(source, "state", ActionState) or require_text(source, "state", operation),
            failure_reason=parse_failure_reason(parse_object(source, "failureReason")),
            created_at=parse_datetime(source, "createdAt"),
            updated_at=parse_datetime(source, "updatedAt"),
            completed_at=parse_datetime(source, "completedAt"),
        )


def parse_failure_reason(source: JsonObject | None) -> FailureReason | None:
    """Parse Enode's `failureReason`; None if there is none."""
    if source is None:
        return None
    return FailureReason(type=parse_text(source, "type") or "UNKNOWN", detail=parse_text(source, "detail"))


class Actions:
    """Calls about charge actions."""

    def __init__(self, api: EnodeApi) -> None:
        self._api = api

    async def get(self, action_id: str) -> ChargeAction:
        """Return the action. Raises EnodeNotFound, and EnodeRefused if the id is not a UUID."""
        call = ApiCall(method="GET", route="/vehicles/actions/{}", ids=(action_id,))
        return ChargeAction.from_json(await self._api.get_object(call), call.operation)

    async def cancel(self, action_id: str) -> ChargeAction:
        """Cancel a pending action and return it. An action in a final state is returned unchanged.

        The vehicle may still carry out the command: it can't be withdrawn from the vendor.

        Raises EnodeNotFound, and EnodeRefused if it can't be cancelled.
        """
        call = ApiCall(
            method="POST",
            route="/vehicles/actions/{}/cancel",
            ids=(action_id,),
            accepted_statuses=frozenset({CONFLICT}),
        )
        response = await self._api.send(call)
        action = require_object(parse_json(response.body, call.operation), call.operation)
        if response.status == CONFLICT and "id" not in action:
            raise EnodeRefused(call.operation, problem=response.problem)
        return ChargeAction.from_json(action, call.operation)
