"""A complete account: cars in every state, a signed-in Home Assistant, API keys, and a month of usage."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from relay.identity.credentials import generate_api_key, get_key_prefix, hash_secret
from relay.kit.database import Connection, Pool
from relay.metering.period import PERIOD_START

CONSENT = (
    "/oauth/authorize?response_type=code&client_id=home-assistant&state=s&name=Home+in+the+woods"
    "&redirect_uri=https%3A%2F%2Fmy.home-assistant.io%2Fredirect%2Foauth"
    "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
)
"""The address that a Home Assistant opens in its user's browser to ask for access."""


def make_car(name: str, *, level: int, state: str, brand: str, model: str, rate: float | None = None, minutes: int = 3):
    """Return an Enode vehicle object."""
    plugged = state.startswith("PLUGGED_IN")
    return {
        "vendor": brand.upper(),
        "isReachable": True,
        "lastSeen": (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(),
        "information": {"displayName": name, "brand": brand, "model": model, "year": 2024},
        "chargeState": {
            "batteryLevel": level,
            "range": round(level * 4.4),
            "isPluggedIn": plugged,
            "isCharging": state == "PLUGGED_IN:CHARGING",
            "chargeRate": rate,
            "chargeLimit": 80,
            "powerDeliveryState": state,
        },
    }


async def fill_household(pool: Pool, user_id: UUID) -> None:
    """Replace the user's data with a complete account."""
    cars = (
        (make_car("Snowflake", level=72, state="PLUGGED_IN:CHARGING", brand="Tesla", model="Model 3", rate=10.8), "ok"),
        (make_car("Grocery getter", level=14, state="UNPLUGGED", brand="Renault", model="5", minutes=140), "ok"),
        (make_car("Family bus", level=55, state="UNPLUGGED", brand="VW", model="ID. Buzz", minutes=5000), "broken"),
        (make_car("Weekend", level=90, state="UNPLUGGED", brand="Porsche", model="Taycan"), "over_limit"),
    )
    async with pool.connection() as connection:
        await connection.execute(
            "update users set name = 'Kim Larsson', email = 'kim@example.org', "
            "quota_anchor = now() - interval '19 days' where id = %s",
            [user_id],
        )
        await connection.execute("delete from vehicles where user_id = %s", [user_id])
        for place, (vehicle, link) in enumerate(cars):
            await connection.execute(
                "insert into vehicles (user_id, vendor, vehicle_cache, revision, link_state, created_at) "
                "values (%s, %s, %s, %s, %s, now() + %s * interval '1 second')",
                [user_id, vehicle["vendor"], Jsonb(vehicle), place, link, place],
            )
        await _add_charging_sessions(connection, user_id)
        home = await _add_installations(connection, user_id)
        await connection.execute(
            "insert into endpoints (user_id, credential_id, kind, url, last_success_at, streaming_until) values "
            "(%s, %s, 'v2', 'https://ha.example.org/x', now() - interval '8 minutes', now() + interval '1 hour')",
            [user_id, home],
        )
        await _add_usage(connection, user_id, home)
        await connection.execute(
            "insert into web_sessions (token_hash, user_id, began_by, browser, created_at, seen_at, expires_at) values "
            "(sha256('phone'), %s, 'link', 'Safari, iPhone', now() - interval '12 days', now() - interval '5 hours', "
            "now() + interval '18 days')",
            [user_id],
        )


CHARGING_SESSIONS: tuple[tuple[float, float, dict[str, Any]], ...] = (
    (1.5, 1.5, {"open": True, "energy_kwh": 11.6}),
    (26, 5.2, {"energy_kwh": 41.8, "derived_energy_kwh": 47.25, "corrected_by_owner": True}),
    (75, 0.5, {"energy_kwh": 28.4, "energy_source": "soc", "at_home": False, "cost_per_kwh": 0.59}),
    (80, 2, {"kind": "discharge", "energy_kwh": 4.2, "cost_per_kwh": None, "currency": None}),
    (99, 3, {"energy_kwh": 18.03, "energy_source": "mixed", "estimated": True}),
    (130, 0.2, {"derived_energy_kwh": 64.9, "energy_kwh": None, "deleted_by_owner": True}),
)
"""Sessions of the first car: hours since the start, hours of charging, and what differs from charging at home."""


async def _add_charging_sessions(connection: Connection, user_id: UUID) -> None:
    car: Any = await (
        await connection.execute("select id from vehicles where user_id = %s order by created_at", [user_id])
    ).fetchone()
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    for hours, duration, columns in CHARGING_SESSIONS:
        began = now - timedelta(hours=hours)
        row = {
            "id": uuid4(),
            "vehicle_id": car[0],
            "started_at": began,
            "ended_at": began + timedelta(hours=duration),
            "open": False,
            "energy_source": "power",
            "at_home": True,
            "cost_per_kwh": 0.24,
            "currency": "EUR",
        } | columns
        values = ", ".join(f"%({name})s" for name in row)
        await connection.execute(f"insert into charging_sessions ({', '.join(row)}) values ({values})", row)


async def _add_usage(connection: Connection, user_id: UUID, home: UUID) -> None:
    """A month of calls, by two installations."""
    began: Any = await (
        await connection.execute(f"select {PERIOD_START} from users u where id = %s", [user_id])
    ).fetchone()
    key: Any = await (await connection.execute("select id from api_keys where user_id = %s", [user_id])).fetchone()
    days = (datetime.now(UTC).date() - began[0].date()).days + 1
    for place in range(days):
        day = began[0].date() + timedelta(days=place)
        for credential, route, calls in (
            (home, "v2/vehicles", 20 + place * 7 % 31),
            (key[0], "status", place * 5 % 13),
        ):
            await connection.execute(
                "insert into usage_days (user_id, period, day, endpoint, credential_id, calls) "
                "values (%s, %s, %s, %s, %s, %s)",
                [user_id, began[0], day, route, credential, calls],
            )
    await connection.execute(
        "insert into usage_months (user_id, period, used) "
        "select user_id, period, sum(calls) from usage_days where user_id = %s group by 1, 2",
        [user_id],
    )


async def _add_installations(connection: Connection, user_id: UUID) -> UUID:
    await connection.execute(
        "update api_keys set name = 'Charging script', prefix = 'evc_R4mW9cQe', "
        "created_at = now() - interval '25 days', last_used_at = now() - interval '2 hours' where user_id = %s",
        [user_id],
    )
    cabin = generate_api_key()
    row = await (
        await connection.execute(
            "insert into api_keys (user_id, name, key_hash, prefix, created_at, last_used_at) values "
            "(%s, 'Cabin in the woods', %s, %s, now() - interval '70 days', now() - interval '6 days') returning id",
            [user_id, hash_secret(cabin), get_key_prefix(cabin)],
        )
    ).fetchone()
    await connection.execute(
        "insert into endpoints (user_id, credential_id, kind, url, failures, failing_since, last_failure, off_at) "
        "values (%s, %s, 'v2', 'https://cabin.example.org/x', 60, now() - interval '6 days', 'timeout', now())",
        [user_id, row[0]],
    )
    granted = await (
        await connection.execute(
            "insert into oauth_grants (user_id, client_id, name, scopes, redirect_uri, last_used_at, created_at) "
            "values (%s, 'home-assistant', 'Home', '{read,control}', 'https://my.home-assistant.io/redirect/oauth', "
            "now(), now() - interval '40 days') returning id",
            [user_id],
        )
    ).fetchone()
    return UUID(str(granted[0]))
