"""Requests that an action of Home Assistant sends: settings of a vehicle or the account, and lists of what happened.

Each function raises only the errors of errors.py. None of them costs a call unless it says so.
"""

from collections.abc import AsyncIterator
from typing import Final

from .client import COMMAND_TIMEOUT, RelayClient
from .energy import ChargingSession
from .json_reader import JsonObject
from .models import Command
from .responses import translate_errors
from .smart_charging import SmartChargingSettings

MAX_SESSIONS_PER_PAGE: Final = 200
CLASSIC_PATH: Final = ("..", "charging")
"""From the routes of API v2 to the classic ones of charging, of which one has no successor."""


async def iter_sessions(client: RelayClient, vehicle_id: str) -> AsyncIterator[ChargingSession]:
    """Yield a vehicle's charging sessions, newest first."""
    before: str | None = None
    while True:
        query = {"limit": str(MAX_SESSIONS_PER_PAGE)} | ({"before": before} if before else {})
        page = await client.request_json("GET", "vehicles", vehicle_id, "sessions", query=query)
        with translate_errors():
            sessions = [ChargingSession.parse(reader) for reader in page.require_object_list("sessions")]
        for session in sessions:
            if session is not None:
                yield session
        before = page.get_str("next_before")
        if before is None:
            return


async def set_max_current(client: RelayClient, vehicle_id: str, amps: float, *, idempotency_key: str) -> Command:
    """Limit the charging current. Returns when the command is sent. Costs one call. Can be repeated with its key."""
    body = await client.request_json(
        "POST",
        *("vehicles", vehicle_id, "max-current"),
        timeout=COMMAND_TIMEOUT,
        headers={"Idempotency-Key": idempotency_key},
        json={"amps": amps},
    )
    with translate_errors():
        return Command.parse(body)


async def cancel_command(client: RelayClient, command_id: str) -> Command:
    """Cancel a command. The vehicle may still carry it out. Raises NotSentError until Enode has accepted it."""
    body = await client.request_json("POST", "commands", command_id, "cancel", timeout=COMMAND_TIMEOUT)
    with translate_errors():
        return Command.parse(body)


async def set_odometer(client: RelayClient, vehicle_id: str, kilometers: float) -> None:
    """Store the odometer with the vehicle's newest session. Raises NotFoundError if it has none."""
    await client.request_json("POST", *CLASSIC_PATH, vehicle_id, "odometer", json={"odometer_km": kilometers})


async def set_smart_charging(client: RelayClient, vehicle_id: str, changes: JsonObject) -> SmartChargingSettings:
    """Change `enabled`, `ready_by`, `minimum_level` and `time_zone`, and return all settings. Costs one call.

    Raises HomeRequiredError if the account has no home location.
    """
    path = ("vehicles", vehicle_id, "smart-charging")
    return SmartChargingSettings.parse(await client.request_json("PUT", *path, timeout=COMMAND_TIMEOUT, json=changes))


async def set_override(client: RelayClient, vehicle_id: str, *, is_active: bool) -> None:
    """Charge now regardless of the plan, or return to it. Costs one call."""
    path = ("vehicles", vehicle_id, "smart-charging", "override")
    await client.request_json("POST" if is_active else "DELETE", *path, timeout=COMMAND_TIMEOUT)
