"""What one endpoint is told now, and whether it took it."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from relay.delivery.dialects import (
    CLASSIC_OK,
    CLASSIC_WRONG_CAR,
    ClassicCar,
    changes_body,
    is_acknowledged,
)
from relay.delivery.messages import Cursor, Snapshot, Vehicle
from relay.delivery.signing import endpoint_secret, message_id, signed_headers
from relay.kit.database import Connection
from relay.kit.outbound import Failure, Outbound, OutboundError
from relay.metering.allowance import Plans
from relay.usecases.answer_home_assistant import account_record
from relay.usecases.authorize import account_of
from relay.usecases.lease_endpoints import Lease
from relay.usecases.read_feed import MOST_REPLAYED, read_changes, read_snapshot

JSON = {"Content-Type": "application/json"}


class Content(Protocol):
    """What is to be told; `cursor` is how far the endpoint has been told then."""

    @property
    def cursor(self) -> Cursor:
        """In the user's feed."""
        ...

    async def send(self, outbound: Outbound, url: str) -> Failure | None:
        """POST it; what went wrong, or None."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """A body in our own dialect, under the secret of its endpoint."""

    cursor: Cursor
    endpoint_id: UUID
    secret: bytes = field(repr=False)
    body: bytes = field(repr=False)

    async def send(self, outbound: Outbound, url: str) -> Failure | None:
        """Delivered is what was acknowledged by name."""
        message = message_id(self.endpoint_id, self.body)
        headers = signed_headers(self.secret, message, self.body, at=int(time.time()))
        try:
            answer = await outbound.post(url, self.body, headers)
        except OutboundError as error:
            return error.failure
        return None if is_acknowledged(answer, message) else "answer"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plain:
    """One car in the classic dialect."""

    cursor: Cursor
    car: ClassicCar

    async def send(self, outbound: Outbound, url: str) -> Failure | None:
        """Delivered is what was answered OK. A client that knows the car by another id is told once more at once."""
        for name in self.car.names():
            try:
                answer = await outbound.post(url, self.car.body(name, datetime.now(UTC)), JSON)
            except OutboundError as error:
                return error.failure
            if not answer.startswith(CLASSIC_OK):
                return "answer"
            if CLASSIC_WRONG_CAR not in answer:
                break
        return None


async def read_content(
    connection: Connection, lease: Lease, *, key: bytes, version: str, plans: Plans
) -> Content | Cursor:
    """What is newest for this endpoint; a cursor alone when there is nothing to tell up to there."""
    if lease.kind == "classic":
        return await _next_car(connection, lease)
    follows = not lease.is_foreign and not lease.is_stale
    found = await _changes(connection, lease) if follows else None
    if isinstance(found, Cursor):
        return found
    cursor, body = found or await _snapshot(connection, lease, version, plans)
    secret = endpoint_secret(key, lease.id, lease.salt)
    return Signed(cursor=cursor, endpoint_id=lease.id, secret=secret, body=body)


async def _changes(connection: Connection, lease: Lease) -> tuple[Cursor, bytes] | Cursor | None:
    """What is new; None when that is more than is told one by one."""
    seq = lease.seq or 0
    changes = (await read_changes(connection, {lease.user_id: seq})).get(lease.user_id)
    if changes is None or changes.end.epoch != lease.epoch or len(changes.messages) > MOST_REPLAYED:
        return None
    if not changes.messages:
        return changes.end
    epoch = changes.end.epoch
    return changes.end, changes_body(changes.end, [(it, Cursor(epoch=epoch, seq=it.seq)) for it in changes.messages])


async def _snapshot(connection: Connection, lease: Lease, version: str, plans: Plans) -> tuple[Cursor, bytes]:
    """Everything, and the transitions that were missed: what a stream begins with."""
    found = await read_snapshot(connection, lease.user_id, lease.cursor)
    account = account_record(await account_of(connection, lease.credential_id), plans, version)
    snapshot = Snapshot(at=found.at, account=account, vehicles=found.vehicles, gap=found.gap)
    since = lease.cursor if found.replay else None
    replay = [(it, Cursor(epoch=found.cursor.epoch, seq=it.seq)) for it in found.replay]
    return found.cursor, changes_body(found.cursor, [(snapshot, since or found.cursor), *replay])


async def _next_car(connection: Connection, lease: Lease) -> Plain | Cursor:
    """The car whose state is the oldest that the client has not got; one POST holds one car."""
    seq = 0 if lease.is_foreign or lease.seq is None else lease.seq
    changes = (await read_changes(connection, {lease.user_id: seq})).get(lease.user_id)
    if changes is None:
        return Cursor(epoch=lease.feed_epoch, seq=seq)
    cars = [it for it in changes.messages if isinstance(it, Vehicle) and it.record["link"]["state"] != "over_limit"]
    wanted = [it for it in cars if lease.vehicle_id is None or it.record["id"] == str(lease.vehicle_id)]
    if not wanted:
        return changes.end
    first = wanted[0]
    # Behind the last car there is nothing more that a classic client is told.
    at = first.seq if len(wanted) > 1 else changes.end.seq
    car = ClassicCar(
        user_id=lease.user_id,
        vehicle_id=UUID(first.record["id"]),
        vehicle=first.record["vehicle"],
        configured_id=lease.configured_id,
    )
    return Plain(cursor=Cursor(epoch=changes.end.epoch, seq=at), car=car)
