"""`evconduit sessions`: recompute the charging sessions of an account from its samples."""

from datetime import UTC
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from relay.cli.shared import RelayAccess, print_note, run_story
from relay.kit.errors import OperatorError
from relay.kit.sanitize import sanitize_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from relay.usecases.charging.recompute_sessions import (
        RecomputedVehicle,
        RecordedSession,
        SessionChange,
        StoredSamples,
    )
    from relay.vehicles.charging.counters import EnergyCounters

sessions_app = typer.Typer(help="Recompute charging sessions.", no_args_is_help=True)

COUNTER_LABELS = (
    ("counted_kwh", "sum of the sessions"),
    ("counted_home_kwh", "sum of those at home"),
    ("counted_discharged_kwh", "sum of discharging"),
    ("lifetime_kwh", "shown in Home Assistant"),
    ("home_kwh", "shown, at home"),
    ("discharged_kwh", "shown, discharged"),
)


@sessions_app.command("recompute")
def sessions_recompute(
    user: Annotated[str, typer.Argument(help="Email address or ID of the account.")],
    vehicle: Annotated[
        str | None, typer.Option(help="ID of one car, from the relay or from Enode. Without it: all cars.")
    ] = None,
    *,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the changes. Without it, they are only printed.")
    ] = False,
) -> None:
    """Derive charging sessions and energy counters again from samples.

    Use this after an update that derives sessions better, or when sessions
    look wrong. Samples are kept for 14 days, so older sessions stay as they
    are. What owners deleted or corrected stays deleted or corrected.

    Without --apply, this is a dry run: it prints what would change, and
    writes nothing. You can run it while the relay runs. Events of the account
    wait until each car is done.

    The counters that Home Assistant shows never decrease. If the sum of the
    sessions falls, they stay where they are until later charging has made up
    the difference. Times are in UTC.
    """

    async def recompute(relay: RelayAccess) -> list[RecomputedVehicle]:
        from relay.usecases.charging.recompute_sessions import recompute_vehicles

        user_id = await relay.get_user_id(user)
        vehicle_id = None if vehicle is None else await _get_vehicle_id(relay, user_id, vehicle)
        results = []
        async for result in recompute_vehicles(
            relay.connection, user_id, vehicle_id, apply=apply, report_start=_print_progress
        ):
            _print_vehicle(result)
            results.append(result)
        return results

    _print_summary(run_story(recompute), apply=apply)


async def _get_vehicle_id(relay: RelayAccess, user_id: UUID, vehicle: str) -> UUID:
    from relay.vehicles.lookup import find_vehicle

    vehicle_id = await find_vehicle(relay.connection, user_id, vehicle)
    if vehicle_id is None:
        raise OperatorError(
            f"the account has no car {vehicle!r}: run the command without --vehicle to see the IDs of its cars"
        )
    return vehicle_id


def _print_progress(name: str, samples: StoredSamples) -> None:
    since = f" since {samples.first_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if samples.first_at else ""
    print_note(f"Recomputing {sanitize_line(name)} from {samples.count:,} samples{since}…")


def _print_vehicle(result: RecomputedVehicle) -> None:
    print(f"{sanitize_line(result.name)}  {result.vehicle.id}")
    for change in result.changes:
        print(f"  {_describe_change(change)}")
    if not result.changes:
        print(f"  no session changes ({result.session_count} recorded)")
    for name, label in COUNTER_LABELS:
        print(f"  {label:<24} {_describe_counter(result.counters_before, result.counters_after, name)}")


def _describe_change(change: SessionChange) -> str:
    before, after = change.before, change.after
    if before is None:
        assert after is not None  # noqa: S101 - one of them exists
        return f"new      {_describe_session(after)}"
    if after is None:
        return f"removed  {_describe_session(before)}"
    return f"changed  {_describe_session(before)} -> {_describe_session(after)}"


def _describe_session(session: RecordedSession) -> str:
    energy = "unknown energy" if session.energy_kwh is None else f"{session.energy_kwh:.3f} kWh"
    if session.deleted_by_owner:
        energy = "deleted by its owner"
    elif session.corrected_by_owner:
        energy += " (corrected by its owner)"
    if session.cost is not None:
        energy += f", {session.cost:.2f} {session.currency}"
    if session.kind == "discharge":
        energy += " discharged"
    started_at, ended_at = session.started_at.astimezone(UTC), session.ended_at.astimezone(UTC)
    return f"{started_at:%Y-%m-%d %H:%M} to {ended_at:%m-%d %H:%M}  {energy}"


def _describe_counter(before: EnergyCounters, after: EnergyCounters, name: str) -> str:
    old, new = ("-" if value is None else f"{value:.3f}" for value in (getattr(before, name), getattr(after, name)))
    return f"{old} kWh" if old == new else f"{old} -> {new} kWh"


def _print_summary(results: Sequence[RecomputedVehicle], *, apply: bool) -> None:
    if not results:
        print_note("The account has no cars.")
        return
    changed = sum(len(result.changes) for result in results)
    cars = f"{len(results)} {'car' if len(results) == 1 else 'cars'}"
    sessions = f"{changed} {'session' if changed == 1 else 'sessions'}"
    if not changed:
        print_note(f"Nothing to change for {cars}.")
    elif apply:
        print_note(f"Changed {sessions} of {cars}.")
    else:
        print_note(f"Would change {sessions} of {cars}. Nothing was written. To write it, add --apply.")
