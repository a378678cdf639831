"""Authenticate callers and authorize metered calls, each in one SQL statement.

The cost does not grow with the account's call history, and the count is exact however many calls race.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from psycopg.rows import DictRow, dict_row

from relay.identity.credentials import Credential
from relay.identity.models import Caller
from relay.identity.revoked_credentials import report_if_revoked
from relay.kit.database import Connection, fetch_one
from relay.kit.problems import Problem
from relay.kit.sanitize import strip_nul
from relay.metering.quota import Quota, create_quota_exhausted_problem, render_rate_limit_headers
from relay.metering.repository import refund_metered_call
from relay.plans import Plans
from relay.usecases.calls.authorize_statements import AUTHENTICATE, AUTHENTICATE_INSTALLATION, AUTHORIZE

PAUSED_RETRY_AFTER_SECONDS = 60
"""`Retry-After` of a command that is refused because the operator has paused commands."""

type Scope = Literal["read", "control", "account"]
"""`account` covers keys, consent and the account itself. Only signed-in users have it, never keys or OAuth grants."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CallRequest:
    """A metered call: the scope it needs, its route's short name, and the vehicle's id (ours or Enode's), if any."""

    scope: Scope
    endpoint: str
    vehicle_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CallVehicle:
    """The vehicle of a call: our id, Enode's current id, and its merged and corrected state in Enode's shape."""

    vehicle_id: UUID
    enode_vehicle_id: str | None
    vendor: str
    vehicle: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthorizedCall:
    """A call that is allowed. `call_id` identifies it for a refund; None for a call that costs nothing."""

    caller: Caller
    quota: Quota
    call_id: int | None = None
    vehicle: CallVehicle | None = None


async def authenticate_caller(connection: Connection, credential: Credential | None, *, scope: Scope) -> AuthorizedCall:
    """Return the caller that a credential belongs to, free of charge. Raises Problem 401 or 403."""
    credential = _require_credential(credential)
    row = await fetch_one(connection, AUTHENTICATE[credential.kind], {"lookup": credential.lookup}, dict_row)
    if row is None:
        await report_if_revoked(connection, credential)
    return _parse_call_row(_require_scope(row, scope))


async def authorize_call(
    connection: Connection, credential: Credential | None, plans: Plans, request: CallRequest
) -> AuthorizedCall:
    """Authorize one metered call and charge it: to the month's allowance, or else to a call token.

    Raises Problem 401, 403, 404 for a vehicle that is not the caller's, 429 when neither is left, and 503 for a command
    while the operator has paused commands. A call that raises is not charged.
    """
    credential = _require_credential(credential)
    parameters = {
        "lookup": credential.lookup,
        "allowances": plans.monthly_calls_json,
        "scope": request.scope,
        "endpoint": request.endpoint,
        "vehicle": request.vehicle_id and strip_nul(request.vehicle_id),
    }
    found = await fetch_one(connection, AUTHORIZE[credential.kind], parameters, dict_row)
    if found is None:
        await report_if_revoked(connection, credential)
    row = _require_scope(found, request.scope)
    if request.vehicle_id is not None and row["vehicle_id"] is None:
        raise Problem(404, "not-found", "No such vehicle.")
    if row["paused"]:
        raise _create_commands_paused_problem()
    if row["call_id"] is None:
        raise create_quota_exhausted_problem(_parse_quota_row(row), row["plan"], plans)
    return _parse_call_row(row)


async def refund_call(connection: Connection, call: AuthorizedCall) -> AuthorizedCall:
    """Refund a call whose command failed, and return it with the quota that remains. Refunds a call at most once."""
    remaining = None if call.call_id is None else await refund_metered_call(connection, call.call_id)
    if remaining is None:
        return call
    return replace(call, quota=replace(call.quota, used=remaining.used, call_tokens=remaining.call_tokens))


async def get_installation_call(connection: Connection, credential_id: UUID) -> AuthorizedCall:
    """Return what `authenticate_caller` would return for this installation, whatever the state of its tokens.

    Raises Problem 401 when it is revoked, 403 when the account is disabled.
    """
    row = await fetch_one(connection, AUTHENTICATE_INSTALLATION, {"lookup": credential_id}, dict_row)
    return _parse_call_row(_require_scope(row, "read"))


def render_call_headers(call: AuthorizedCall, plans: Plans) -> dict[str, str]:
    """Render the `RateLimit` header fields of the answer to a metered call."""
    return render_rate_limit_headers(call.quota, plans.get(call.caller.plan).monthly_calls)


def require_installation_id(caller: Caller) -> UUID:
    """Return the calling installation's id. Raises Problem 403 for a signed-in user, who is no delivery target."""
    if caller.credential_id is None:
        detail = "This needs the credential of an installation. Use an API key or a Home Assistant's access token."
        raise Problem(403, "forbidden", detail)
    return caller.credential_id


def _require_credential(credential: Credential | None) -> Credential:
    if credential is None:
        raise _create_unauthorized_problem()
    return credential


def _require_scope(row: DictRow | None, scope: Scope) -> DictRow:
    if row is None:
        raise _create_unauthorized_problem()
    if row["disabled"]:
        detail = "The operator of this relay has disabled this account. Contact the operator."
        raise Problem(403, "account-disabled", detail)
    if scope not in row["scopes"]:
        raise Problem(403, "forbidden", _describe_missing_scope(scope))
    return row


def _describe_missing_scope(scope: Scope) -> str:
    if scope == "account":
        return "An API key or a Home Assistant can't do this. Sign in as a user."
    return f"This credential doesn't have the scope `{scope}`. Use one that does."


def _create_unauthorized_problem() -> Problem:
    # The same answer for missing, malformed, unknown, expired and revoked, so that guessing reveals nothing.
    detail = "The credential is missing or not valid. Send an API key or access token as `Authorization: Bearer …`."
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


def _create_commands_paused_problem() -> Problem:
    detail = (
        "The operator of this relay has paused commands, so nothing was sent to the car and nothing was charged. "
        "Try again later."
    )
    return Problem(503, "unavailable", detail, headers={"Retry-After": str(PAUSED_RETRY_AFTER_SECONDS)})


def _parse_quota_row(row: DictRow) -> Quota:
    return Quota(used=row["used"], call_tokens=row["call_tokens"], began_at=row["period"], resets_at=row["resets_at"])


def _parse_call_row(row: DictRow) -> AuthorizedCall:
    caller = Caller(
        user_id=row["user_id"],
        credential_id=row["credential_id"],
        email=row["email"],
        name=row["name"],
        plan=row["plan"],
        language=row["language"],
    )
    quota = _parse_quota_row(row)
    if row.get("vehicle_id") is None:
        return AuthorizedCall(caller=caller, quota=quota, call_id=row.get("call_id"))
    vehicle = CallVehicle(
        vehicle_id=row["vehicle_id"],
        enode_vehicle_id=row["enode_vehicle_id"],
        vendor=row["vendor"],
        vehicle=row["vehicle_cache"],
    )
    return AuthorizedCall(caller=caller, quota=quota, call_id=row["call_id"], vehicle=vehicle)
