"""Who may do what, and what it costs: one statement a call, however long the history and however many race."""

from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from psycopg.rows import DictRow, dict_row

from relay.identity.credentials import Credential
from relay.identity.models import Caller
from relay.kit.database import Connection, fetch_one
from relay.kit.problems import Problem
from relay.kit.sanitize import strip_nul
from relay.metering.quota import Quota, create_quota_exhausted_problem, render_rate_limit_headers
from relay.metering.repository import refund_metered_call
from relay.plans import Plans
from relay.usecases.calls.authorize_statements import AUTHENTICATE, AUTHENTICATE_INSTALLATION, AUTHORIZE

PAUSED_RETRY_AFTER_SECONDS = 60
"""Seconds after which a command may be tried again while the operator has paused them."""

type Scope = Literal["read", "control", "account"]
"""`account` is managing keys, consent and the account itself: only people may, never what they handed out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CallRequest:
    """A metered call: the scope it wants, its route's short name, the car it is about (our id or Enode's), if any."""

    scope: Scope
    endpoint: str
    vehicle_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CallVehicle:
    """The car a call is about: our id, Enode's current id for it, and its state as merged."""

    vehicle_id: UUID
    enode_vehicle_id: str | None
    vendor: str
    vehicle: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthorizedCall:
    """A call that may go on. `call_id` is what a refund names; None where calls cost nothing."""

    caller: Caller
    quota: Quota
    call_id: int | None = None
    vehicle: CallVehicle | None = None


async def authenticate_caller(connection: Connection, credential: Credential | None, *, scope: Scope) -> AuthorizedCall:
    """The caller behind a credential, at no cost. Raises Problem 401 or 403."""
    known = _require_credential(credential)
    row = await fetch_one(connection, AUTHENTICATE[known.kind], {"lookup": known.lookup}, dict_row)
    return _call_from_row(_require_scope(row, scope))


async def authorize_call(
    connection: Connection, credential: Credential | None, plans: Plans, request: CallRequest
) -> AuthorizedCall:
    """Let one metered call happen: the allowance pays, or else a call token.

    Raises Problem 401, 403, 404 for a car that is not the caller's, 429 when neither is left, 503 for a command while
    the operator has paused them. Nothing is charged then.
    """
    known = _require_credential(credential)
    about = {
        "lookup": known.lookup,
        "allowances": plans.monthly_calls_json,
        "scope": request.scope,
        "endpoint": request.endpoint,
        "vehicle": request.vehicle_id and strip_nul(request.vehicle_id),
    }
    row = _require_scope(await fetch_one(connection, AUTHORIZE[known.kind], about, dict_row), request.scope)
    if request.vehicle_id is not None and row["vehicle_id"] is None:
        raise Problem(404, "not-found", "No such vehicle.")
    if row["paused"]:
        raise _create_commands_paused_problem()
    if row["call_id"] is None:
        raise create_quota_exhausted_problem(_quota_from_row(row), row["plan"], plans)
    return _call_from_row(row)


async def refund_call(connection: Connection, call: AuthorizedCall) -> AuthorizedCall:
    """Refund a call whose command did not come to pass; the call with what is left now. Once, however often."""
    left = None if call.call_id is None else await refund_metered_call(connection, call.call_id)
    if left is None:
        return call
    return replace(call, quota=replace(call.quota, used=left.used, call_tokens=left.call_tokens))


async def get_installation_call(connection: Connection, credential_id: UUID) -> AuthorizedCall:
    """What `authenticate` would tell the holder of this installation, whatever becomes of its tokens.

    Raises Problem 401 when it is revoked, 403 when the account is switched off.
    """
    row = await fetch_one(connection, AUTHENTICATE_INSTALLATION, {"lookup": credential_id}, dict_row)
    return _call_from_row(_require_scope(row, "read"))


def render_call_headers(call: AuthorizedCall, plans: Plans) -> dict[str, str]:
    """What the answer to a metered call says of the month in its header fields."""
    return render_rate_limit_headers(call.quota, plans.get(call.caller.plan).monthly_calls)


def require_installation_id(caller: Caller) -> UUID:
    """The installation that calls. Raises Problem 403 for a person: what is delivered goes to an installation."""
    if caller.credential_id is None:
        raise Problem(403, "forbidden", "Ask with an API key or as a Home Assistant that signed in.")
    return caller.credential_id


def _require_credential(credential: Credential | None) -> Credential:
    if credential is None:
        raise _create_unauthorized_problem()
    return credential


def _require_scope(row: DictRow | None, scope: Scope) -> DictRow:
    if row is None:
        raise _create_unauthorized_problem()
    if row["disabled"]:
        raise Problem(403, "account-disabled", "The operator has switched this account off; ask there.")
    if scope not in row["scopes"]:
        raise Problem(403, "forbidden", _describe_missing_scope(scope))
    return row


def _describe_missing_scope(scope: Scope) -> str:
    if scope == "account":
        return "Only a person who is signed in may do this, never a key or a Home Assistant."
    return f"This credential lacks the scope `{scope}`."


def _create_unauthorized_problem() -> Problem:
    # One answer for missing, malformed, unknown, expired and revoked: nothing to learn by trying.
    words = "Give a valid API key or access token."
    return Problem(401, "unauthorized", words, headers={"WWW-Authenticate": "Bearer"})


def _create_commands_paused_problem() -> Problem:
    words = "The operator of this relay has paused commands. Nothing was sent to the car and nothing is charged."
    return Problem(503, "unavailable", words, headers={"Retry-After": str(PAUSED_RETRY_AFTER_SECONDS)})


def _quota_from_row(row: DictRow) -> Quota:
    return Quota(used=row["used"], call_tokens=row["call_tokens"], began_at=row["period"], resets_at=row["resets_at"])


def _call_from_row(row: DictRow) -> AuthorizedCall:
    caller = Caller(
        user_id=row["user_id"],
        credential_id=row["credential_id"],
        email=row["email"],
        name=row["name"],
        plan=row["plan"],
        language=row["language"],
    )
    quota = _quota_from_row(row)
    if row.get("vehicle_id") is None:
        return AuthorizedCall(caller=caller, quota=quota, call_id=row.get("call_id"))
    car = CallVehicle(
        vehicle_id=row["vehicle_id"],
        enode_vehicle_id=row["enode_vehicle_id"],
        vendor=row["vendor"],
        vehicle=row["vehicle_cache"],
    )
    return AuthorizedCall(caller=caller, quota=quota, call_id=row["call_id"], vehicle=car)
