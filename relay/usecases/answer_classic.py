"""The routes that the seed document names and the classic client asks, in the shapes that it knows."""

from typing import Any

from fastapi import APIRouter
from psycopg.rows import dict_row

from relay.kit.web import AuthorizationHeader
from relay.usecases.authorize import Car, authenticate, authorize
from relay.usecases.runtime import RuntimeDependency

router = APIRouter(prefix="/api", tags=["Classic"])


@router.get("/ha/status/{vehicle_id}", response_model=None)
async def get_status(vehicle_id: str, runtime: RuntimeDependency, authorization: AuthorizationHeader) -> dict[str, Any]:
    """One car as last known: Enode's object and the flat keys of the classic service. One call, one statement."""
    async with runtime.pool.connection() as connection:
        call = await authorize(connection, authorization, scope="read", endpoint="ha/status", vehicle=vehicle_id)
    assert call.car is not None  # noqa: S101 - authorize raised 404 otherwise
    return status_record(call.car)


def status_record(car: Car) -> dict[str, Any]:
    """Enode's object with the classic service's flat keys beside it; what Enode does not say is null."""
    vehicle = car.vehicle
    charge, place, facts = (vehicle.get(group) or {} for group in ("chargeState", "location", "information"))
    latitude, longitude = place.get("latitude"), place.get("longitude")
    located = latitude is not None and longitude is not None
    name = " ".join(part for part in (facts.get("brand"), facts.get("model")) if part)
    return {
        **vehicle,
        "vehicleId": str(car.vehicle_id),
        "enodeVehicleId": car.enode_vehicle_id,
        "vehicleName": facts.get("displayName") or name or None,
        "batteryLevel": charge.get("batteryLevel"),
        "range": charge.get("range"),
        "isCharging": charge.get("isCharging"),
        "isPluggedIn": charge.get("isPluggedIn"),
        "chargingState": charge.get("powerDeliveryState"),
        "latitude": latitude,
        "longitude": longitude,
        "locationAvailable": located,
        "location": place if located else None,
    }


@router.get("/me", response_model=None)
async def get_me(runtime: RuntimeDependency, authorization: AuthorizationHeader) -> dict[str, Any]:
    """The account in the classic shape. Costs nothing. What this relay does not sell yet is none or zero."""
    async with runtime.pool.connection() as connection:
        call = await authenticate(connection, authorization, scope="read")
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(
                """
                select u.role, bool_or(v.online) as online
                from users u left join vehicles v on v.user_id = u.id and v.gone_at is null
                where u.id = %s group by u.role
                """,
                [call.caller.user_id],
            )
            row = await cursor.fetchone() or {"role": "user", "online": None}
    caller = call.caller
    return {
        "id": str(caller.user_id),
        "email": caller.email,
        "name": caller.name,
        "role": row["role"],
        "tier": caller.plan,
        "is_approved": True,
        "accepted_terms": False,
        "online_status": {True: "green", False: "red", None: "grey"}[row["online"]],
        "notify_offline": False,
        "notification_preferences": {},
        "phone_number": None,
        "phone_verified": False,
        "sms_credits": 0,
        "purchased_api_tokens": 0,
        "stripe_customer_id": None,
        "is_subscribed": False,
        "is_on_trial": False,
        "trial_ends_at": None,
    }
