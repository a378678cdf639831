"""Enode as the pipeline meets it: events in its own words, and the way from its POST to committed state."""

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from psycopg.rows import dict_row

from relay.inbox.service import Inbox
from relay.kit.database import Pool
from relay.usecases.events.drain_inbox import InboxDrainer

SECRET = "s3cret-of-the-subscription"
VIN_KEY = b"the relay's own key"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def wire(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def vehicle(enode_id: str, moment: datetime, *, vin: str | None = "5YJ3E7EB1KF000001", **groups: object) -> dict:
    charge = {
        "batteryLevel": 57,
        "range": 241,
        "isPluggedIn": False,
        "isCharging": False,
        "isFullyCharged": False,
        "chargeRate": None,
        "powerDeliveryState": "UNPLUGGED",
        "lastUpdated": wire(moment),
    }
    return {
        "id": enode_id,
        "userId": "whoever",
        "vendor": "TESLA",
        "lastSeen": wire(moment),
        "isReachable": True,
        "information": {"vin": vin, "brand": "Tesla", "model": "Model 3", "year": 2022, "displayName": None},
        "chargeState": charge | groups.pop("charge", {}),
        "location": {"id": None, "latitude": 52.1, "longitude": 5.1, "lastUpdated": wire(moment)},
        "odometer": {"distance": 48213, "lastUpdated": wire(moment)},
        "scopes": ["vehicle:read:data"],
    } | groups


CHARGING = {
    "isPluggedIn": True,
    "isCharging": True,
    "chargeRate": 7.2,
    "powerDeliveryState": "PLUGGED_IN:CHARGING",
}
STOPPED = {"isPluggedIn": True, "isCharging": False, "powerDeliveryState": "PLUGGED_IN:STOPPED"}


def newborn(enode_id: str, *, vin: str | None = "5YJ3E7EB1KF000001") -> dict:
    """A vehicle as `discovered` shows it: a name and nulls."""
    return {
        "id": enode_id,
        "userId": "whoever",
        "vendor": "TESLA",
        "lastSeen": None,
        "isReachable": None,
        "information": {"vin": vin, "brand": "Tesla", "model": None, "year": None, "displayName": None},
        "chargeState": {"batteryLevel": None, "isCharging": None, "powerDeliveryState": "UNKNOWN", "lastUpdated": None},
        "location": None,
        "scopes": None,
    }


def event(name: str, moment: datetime, user_id: UUID | str | None, **members: object) -> dict:
    about = {} if user_id is None else {"user": {"id": str(user_id)}}
    return {"event": name, "createdAt": wire(moment), "version": "2024-10-01", **about, **members}


def sign(raw: bytes, secret: str = SECRET) -> str:
    return "sha1=" + hmac.new(secret.encode(), raw, hashlib.sha1).hexdigest()


@dataclass
class Pipeline:
    """An inbox and a drain on one database, and a user."""

    pool: Pool
    user_id: UUID
    woken: list[UUID] = field(default_factory=list)
    to_drain: list[UUID] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inbox = Inbox(self.pool, account_id="ours", secrets=[SECRET], wake=self.to_drain.extend)
        self.drain = InboxDrainer(self.pool, wake=self.woken.extend, vin_key=VIN_KEY)

    async def deliver(self, *events: object) -> None:
        raw = json.dumps(events).encode()
        await self.inbox.receive(raw, sign(raw))

    async def happen(self, *events: object) -> None:
        """Delivered and acted on."""
        await self.deliver(*events)
        await self.drain.drain_once()

    async def updated(self, enode_id: str, moment: datetime, **groups: object) -> None:
        await self.happen(self.update(enode_id, moment, **groups))

    def update(self, enode_id: str, moment: datetime, **groups: object) -> dict:
        return event("user:vehicle:updated", moment, self.user_id, vehicle=vehicle(enode_id, moment, **groups))

    def discovery(self, enode_id: str, moment: datetime, *, vin: str | None = "5YJ3E7EB1KF000001") -> dict:
        return event("user:vehicle:discovered", moment, self.user_id, vehicle=newborn(enode_id, vin=vin))

    def deletion(self, enode_id: str, moment: datetime) -> dict:
        return event("user:vehicle:deleted", moment, self.user_id, vehicle=vehicle(enode_id, moment))

    async def cars(self) -> list[dict]:
        """Those that the user sees."""
        return await self.rows(
            "select * from vehicles where user_id = %s and gone_at is null order by vendor, id", self.user_id
        )

    async def car(self) -> dict:
        (only,) = await self.cars()
        return only

    async def transitions(self) -> list[str]:
        rows = await self.rows("select kind from transitions where user_id = %s order by seq", self.user_id)
        return [row["kind"] for row in rows]

    async def seq(self) -> int:
        (row,) = await self.rows("select seq from feeds where user_id = %s", self.user_id)
        return row["seq"]

    async def inbox_rows(self) -> list[dict]:
        return await self.rows("select * from webhook_logs order by id")

    async def rows(self, statement: str, *parameters: object) -> list[dict]:
        async with self.pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement, list(parameters))
            return await cursor.fetchall() if cursor.description else []


async def add_user(pool: Pool) -> UUID:
    user_id = uuid4()
    async with pool.connection() as connection:
        await connection.execute("insert into users (id, email) values (%s, 'a@example.org')", [user_id])
        await connection.execute("insert into feeds (user_id) values (%s)", [user_id])
    return user_id


async def make_pipeline(pool: Pool) -> Pipeline:
    return Pipeline(pool, await add_user(pool))
