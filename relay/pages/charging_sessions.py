"""List charging sessions by vehicle; delete a wrong one, correct its energy, and undo both."""

import re
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from relay.identity.web_sessions import SignedInUser
from relay.kit.problems import Problem
from relay.pages.forms import PostedForm
from relay.pages.identifiers import PathId, parse_id
from relay.pages.rendering import get_translator, redirect_to, render_page
from relay.pages.visitors import SignedInVisitor
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.charging.correct_session import (
    correct_session_energy,
    delete_session,
    find_session,
    require_ended,
    restore_session,
)
from relay.usecases.charging.session_overview import SessionSummary, list_sessions_by_vehicle, summarize_session
from relay.vehicles.charging.owner_corrections import MAX_ENERGY_KWH

SESSIONS_PER_VEHICLE = 10
"""Sessions of each vehicle on the page of all vehicles."""
SESSIONS_PER_PAGE = 50
"""Sessions on a page of one vehicle."""
MAX_NUMBER_LENGTH = 20
NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")
"""A number as people write it, with a point or a comma before the decimals."""
UNPROCESSABLE = 422

router = APIRouter(prefix="/charging-sessions", include_in_schema=False)

type VehicleQuery = Annotated[str | None, Query(max_length=100)]
type BeforeQuery = Annotated[str | None, Query(max_length=80)]


@router.get("")
async def show_sessions(
    request: Request,
    runtime: RuntimeDependency,
    visitor: SignedInVisitor,
    vehicle: VehicleQuery = None,
    before: BeforeQuery = None,
) -> Response:
    """Show the newest sessions of all vehicles, or a page of the sessions of one."""
    vehicle_id = None if vehicle is None else parse_id(vehicle)
    before = before if vehicle_id else None
    async with runtime.pool.connection() as connection:
        vehicles = await list_sessions_by_vehicle(
            connection,
            visitor.user_id,
            vehicle_id=vehicle_id,
            before=before,
            limit=SESSIONS_PER_PAGE if vehicle_id else SESSIONS_PER_VEHICLE,
        )
    if vehicle_id is not None and not vehicles:
        raise Problem(404, "not-found", "No such vehicle.")
    return render_page(
        request, "charging_sessions.html", vehicles=vehicles, is_one=vehicle_id is not None, is_newest=before is None
    )


@router.get("/{session_id}/correct")
async def show_correction(
    request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, session_id: PathId
) -> Response:
    """Show the form that corrects a session's energy."""
    return await _render_correction(request, runtime, visitor, session_id)


@router.post("/{session_id}/correct")
async def submit_correction(
    request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, session_id: PathId, form: PostedForm
) -> Response:
    """Save the energy that the owner states."""
    text = form.get_text("energy")
    energy_kwh = _parse_number(text)
    error = _validate_energy(text, energy_kwh)
    if error is not None:
        return await _render_correction(request, runtime, visitor, session_id, text=text, error=error)
    row = await correct_session_energy(runtime, visitor.user_id, session_id, energy_kwh)
    return _redirect_to_vehicle(request, row["vehicle_id"], "sessions.notice.corrected")


@router.get("/{session_id}/delete")
async def show_deletion(
    request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, session_id: PathId
) -> Response:
    """Ask to confirm the deletion."""
    session = await _get_ended_session(runtime, visitor, session_id)
    return render_page(request, "charging_session_delete.html", session=session)


@router.post("/{session_id}/delete")
async def submit_deletion(
    request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, session_id: PathId, _form: PostedForm
) -> Response:
    """Delete the session."""
    row = await delete_session(runtime, visitor.user_id, session_id)
    return _redirect_to_vehicle(request, row["vehicle_id"], "sessions.notice.deleted")


@router.post("/{session_id}/undo")
async def submit_undo(
    request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, session_id: PathId, _form: PostedForm
) -> Response:
    """Undo the deletion of a session, or else the correction of its energy."""
    async with runtime.pool.connection() as connection:
        row = await find_session(connection, visitor.user_id, session_id)
    if row["deleted_by_owner"]:
        await restore_session(runtime, visitor.user_id, session_id)
        return _redirect_to_vehicle(request, row["vehicle_id"], "sessions.notice.restored")
    await correct_session_energy(runtime, visitor.user_id, session_id, None)
    return _redirect_to_vehicle(request, row["vehicle_id"], "sessions.notice.undone")


async def _get_ended_session(runtime: Runtime, visitor: SignedInUser, session_id: UUID) -> SessionSummary:
    """A session that can be changed. Raises Problem 404, also for a deleted one, and 409 while it is under way."""
    async with runtime.pool.connection() as connection:
        row = await find_session(connection, visitor.user_id, session_id)
    require_ended(row)
    if row["deleted_by_owner"]:
        raise Problem(404, "not-found", "No such charging session.")
    return summarize_session(row)


async def _render_correction(  # noqa: PLR0913 - the form's value and its error
    request: Request,
    runtime: Runtime,
    visitor: SignedInUser,
    session_id: UUID,
    *,
    text: str | None = None,
    error: str | None = None,
) -> Response:
    session = await _get_ended_session(runtime, visitor, session_id)
    t = get_translator(request)
    current = "" if session.energy_kwh is None else t.number(session.energy_kwh, 2).replace(t("number.group"), "")
    return render_page(
        request,
        "charging_session_correct.html",
        status=UNPROCESSABLE if error else 200,
        session=session,
        energy=current if text is None else text,
        error=error,
        max_energy=MAX_ENERGY_KWH,
        max_length=MAX_NUMBER_LENGTH,
    )


def _parse_number(text: str) -> float | None:
    return float(text.replace(",", ".")) if len(text) <= MAX_NUMBER_LENGTH and NUMBER.fullmatch(text) else None


def _validate_energy(text: str, energy_kwh: float | None) -> str | None:
    """The key of the text that says what is wrong; None if nothing is."""
    if not text:
        return "sessions.error.missing"
    if energy_kwh is None:
        return "sessions.error.number"
    return None if 0 <= energy_kwh <= MAX_ENERGY_KWH else "sessions.error.range"


def _redirect_to_vehicle(request: Request, vehicle_id: UUID, notice: str) -> Response:
    return redirect_to(request, f"/charging-sessions?vehicle={vehicle_id}", notice=notice)
