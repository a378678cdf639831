"""Enode's vehicles and events in its own format, and a pipeline that takes events from the webhook to the database."""

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
VIN = "5YJ3E7EB1KF000001"
VIN_KEY = b"the relay's own key"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """The time so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def format_time(time: datetime) -> str:
    """A time as Enode writes it."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make_vehicle(enode_id: str, time: datetime, *, vin: str | None = VIN, **groups: object) -> dict:
    """A vehicle as `updated` shows it, unplugged and seen at `time`.

    `charge` is merged into the charge state; other `groups` replace top-level members.
    """
    charge = {
        "batteryLevel": 57,
        "range": 241,
        "isPluggedIn": False,
        "isCharging": False,
        "isFullyCharged": False,
        "chargeRate": None,
        "powerDeliveryState": "UNPLUGGED",
        "lastUpdated": format_time(time),
    }
    return {
        "id": enode_id,
        "userId": "any",
        "vendor": "TESLA",
        "lastSeen": format_time(time),
        "isReachable": True,
        "information": {"vin": vin, "brand": "Tesla", "model": "Model 3", "year": 2022, "displayName": None},
        "chargeState": charge | groups.pop("charge", {}),
        "location": {"id": None, "latitude": 52.1, "longitude": 5.1, "lastUpdated": format_time(time)},
        "odometer": {"distance": 48213, "lastUpdated": format_time(time)},
        "scopes": ["vehicle:read:data"],
    } | groups


CHARGING = {
    "isPluggedIn": True,
    "isCharging": True,
    "chargeRate": 7.2,
    "powerDeliveryState": "PLUGGED_IN:CHARGING",
}
STOPPED = {"isPluggedIn": True, "isCharging": False, "powerDeliveryState": "PLUGGED_IN:STOPPED"}


def make_discovered_vehicle(enode_id: str, *, vin: str | None = VIN) -> dict:
    """A vehicle as `discovered` shows it: a name and nulls."""
    return {
        "id": enode_id,
        "userId": "any",
        "vendor": "TESLA",
        "lastSeen": None,
        "isReachable": None,
        "information": {"vin": vin, "brand": "Tesla", "model": None, "year": None, "displayName": None},
        "chargeState": {"batteryLevel": None, "isCharging": None, "powerDeliveryState": "UNKNOWN", "lastUpdated": None},
        "location": None,
        "scopes": None,
    }


def make_event(name: str, time: datetime, user_id: UUID | str | None, **members: object) -> dict:
    """An event of Enode's, about a user unless `user_id` is None."""
    user = {} if user_id is None else {"user": {"id": str(user_id)}}
    return {"event": name, "createdAt": format_time(time), "version": "2024-10-01", **user, **members}


def sign_body(raw: bytes, secret: str = SECRET) -> str:
    """The signature header of a webhook request."""
    return "sha1=" + hmac.new(secret.encode(), raw, hashlib.sha1).hexdigest()


@dataclass
class Pipeline:
    """An inbox and a drainer on one database, and a user. The wakes are the users that each of them has woken."""

    pool: Pool
    user_id: UUID
    feed_wakes: list[UUID] = field(default_factory=list)
    inbox_wakes: list[UUID] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inbox = Inbox(self.pool, account_id="ours", secrets=[SECRET], wake=self.inbox_wakes.extend)
        self.drainer = InboxDrainer(self.pool, wake=self.feed_wakes.extend, vin_key=VIN_KEY)

    async def deliver(self, *events: object) -> None:
        """Store events as Enode's webhook delivers them."""
        raw = json.dumps(events).encode()
        await self.inbox.receive(raw, sign_body(raw))

    async def process(self, *events: object) -> None:
        """Deliver events and apply them."""
        await self.deliver(*events)
        await self.drainer.drain_once()

    async def process_update(self, enode_id: str, time: datetime, **groups: object) -> None:
        await self.process(self.make_update(enode_id, time, **groups))

    def make_update(self, enode_id: str, time: datetime, **groups: object) -> dict:
        vehicle = make_vehicle(enode_id, time, **groups)
        return make_event("user:vehicle:updated", time, self.user_id, vehicle=vehicle)

    def make_discovery(self, enode_id: str, time: datetime, *, vin: str | None = VIN) -> dict:
        vehicle = make_discovered_vehicle(enode_id, vin=vin)
        return make_event("user:vehicle:discovered", time, self.user_id, vehicle=vehicle)

    def make_deletion(self, enode_id: str, time: datetime) -> dict:
        return make_event("user:vehicle:deleted", time, self.user_id, vehicle=make_vehicle(enode_id, time))

    async def list_vehicles(self) -> list[dict]:
        """The user's vehicles that are not gone."""
        return await self.execute(
            "select * from vehicles where user_id = %s and gone_at is null order by vendor, id", self.user_id
        )

    async def get_vehicle(self) -> dict:
        """The user's only vehicle."""
        (vehicle,) = await self.list_vehicles()
        return vehicle

    async def list_transition_kinds(self) -> list[str]:
        rows = await self.execute("select kind from transitions where user_id = %s order by seq", self.user_id)
        return [row["kind"] for row in rows]

    async def get_feed_seq(self) -> int:
        (row,) = await self.execute("select seq from feeds where user_id = %s", self.user_id)
        return row["seq"]

    async def list_inbox_rows(self) -> list[dict]:
        return await self.execute("select * from webhook_logs order by id")

    async def execute(self, statement: str, *parameters: object) -> list[dict]:
        """Run a statement; its rows, if any."""
        async with self.pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement, list(parameters))
            return await cursor.fetchall() if cursor.description else []


async def add_user(pool: Pool) -> UUID:
    """Insert a user with an empty feed."""
    user_id = uuid4()
    async with pool.connection() as connection:
        await connection.execute("insert into users (id, email) values (%s, 'a@example.org')", [user_id])
        await connection.execute("insert into feeds (user_id) values (%s)", [user_id])
    return user_id


async def make_pipeline(pool: Pool) -> Pipeline:
    return Pipeline(pool, await add_user(pool))
