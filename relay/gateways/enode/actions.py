"""Enode's actions: what became of what a vehicle was asked for."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from relay.gateways.enode.api import ApiCall, EnodeApi
from relay.gateways.enode.errors import EnodeRefused
from relay.gateways.enode.json_fields import (
    JsonObject,
    parse_datetime,
    parse_enum,
    parse_float,
    parse_json,
    parse_object,
    parse_text,
    require_object,
    require_text,
)

CONFLICT = 409


class ActionKind(StrEnum):
    """What a vehicle can be asked."""

    START = "START"
    STOP = "STOP"


class ActionState(StrEnum):
    """Where an action stands. All but PENDING are final."""

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureReason:
    """Why an action failed or was cancelled. `type` such as NO_RESPONSE or CONFLICT; Enode may add others."""

    type: str
    detail: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeAction:
    """Enode's record of a command. A state or kind that we do not know stays the text that Enode sent."""

    id: str
    user_id: str
    target_id: str
    target_type: str | None
    kind: ActionKind | str | None
    """None for actions of other kinds, which Enode files together with these."""
    max_current: float | None = None
    """What an action without a kind asks for, in amperes."""
    state: ActionState | str
    failure_reason: FailureReason | None
    created_at: datetime | None
    updated_at: datetime | None
    completed_at: datetime | None

    @classmethod
    def from_json(cls, source: JsonObject, operation: str) -> Self:
        """From Enode's JSON, be it an answer or the `vendorAction` of a webhook event (`operation` then names that).

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
    """From Enode's JSON; None when there is no reason."""
    if source is None:
        return None
    return FailureReason(type=parse_text(source, "type") or "UNKNOWN", detail=parse_text(source, "detail"))


class Actions:
    """Calls about charge actions."""

    def __init__(self, api: EnodeApi) -> None:
        self._api = api

    async def get(self, action_id: str) -> ChargeAction:
        """The action as it stands. Raises EnodeNotFound, and EnodeRefused for what is no UUID."""
        call = ApiCall(method="GET", route="/vehicles/actions/{}", ids=(action_id,))
        return ChargeAction.from_json(await self._api.get_object(call), call.operation)

    async def cancel(self, action_id: str) -> ChargeAction:
        """Stop waiting for the action and return it; one that was settled already is returned as it was settled.

        The vehicle may still do what it was asked: the vendor cannot be called back. Raises EnodeNotFound.
        """
        call = ApiCall(
            method="POST",
            route="/vehicles/actions/{}/cancel",
            ids=(action_id,),
            accepted_statuses=frozenset({CONFLICT}),
        )
        answer = await self._api.send(call)
        action = require_object(parse_json(answer.body, call.operation), call.operation)
        if answer.status == CONFLICT and "id" not in action:
            raise EnodeRefused(call.operation, problem=answer.problem)
        return ChargeAction.from_json(action, call.operation)
