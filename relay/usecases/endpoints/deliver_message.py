"""What one endpoint is told now, and whether it took it."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from relay.delivery.payloads import (
    CLASSIC_OK,
    CLASSIC_WRONG_VEHICLE,
    ClassicVehicle,
    is_acknowledged,
    render_changes_body,
)
from relay.delivery.signing import create_signed_headers, derive_endpoint_secret, derive_message_id
from relay.feed.messages import Cursor, SnapshotMessage, VehicleMessage
from relay.kit.database import Connection
from relay.kit.outbound import OutboundClient, OutboundError, OutboundFailure
from relay.plans import Plans
from relay.usecases.calls.authorize import get_installation_call
from relay.usecases.endpoints.lease_endpoints import Lease
from relay.usecases.feed.account_and_vehicles import render_account_record
from relay.usecases.feed.reader import MAX_REPLAYED_TRANSITIONS, read_changes, read_snapshot

JSON_HEADERS = {"Content-Type": "application/json"}


class DeliveryContent(Protocol):
    """What is to be told; `cursor` is how far the endpoint has been told then."""

    @property
    def cursor(self) -> Cursor:
        """In the user's feed."""
        ...

    async def send(self, outbound: OutboundClient, url: str) -> OutboundFailure | None:
        """POST it; what went wrong, or None."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedContent:
    """A body in our own dialect, under the secret of its endpoint."""

    cursor: Cursor
    endpoint_id: UUID
    secret: bytes = field(repr=False)
    body: bytes = field(repr=False)

    async def send(self, outbound: OutboundClient, url: str) -> OutboundFailure | None:
        """Delivered is what was acknowledged by name."""
        message = derive_message_id(self.endpoint_id, self.body)
        headers = create_signed_headers(self.secret, message, self.body, timestamp=int(time.time()))
        try:
            answer = await outbound.post(url, self.body, headers)
        except OutboundError as error:
            return error.failure
        return None if is_acknowledged(answer, message) else "answer"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassicContent:
    """One car in the classic dialect."""

    cursor: Cursor
    vehicle: ClassicVehicle

    async def send(self, outbound: OutboundClient, url: str) -> OutboundFailure | None:
        """Delivered is what was answered OK. A client that knows the car by another id is told once more at once."""
        for name in self.vehicle.list_candidate_ids():
            try:
                answer = await outbound.post(url, self.vehicle.render_body(name, datetime.now(UTC)), JSON_HEADERS)
            except OutboundError as error:
                return error.failure
            if not answer.startswith(CLASSIC_OK):
                return "answer"
            if CLASSIC_WRONG_VEHICLE not in answer:
                break
        return None


async def read_content(
    connection: Connection, lease: Lease, *, secret_key: bytes, version: str, plans: Plans
) -> DeliveryContent | Cursor:
    """What is newest for this endpoint; a cursor alone when there is nothing to tell up to there."""
    if lease.kind == "classic":
        return await _build_classic_content(connection, lease)
    follows = not lease.is_foreign and not lease.is_stale
    found = await _build_changes(connection, lease) if follows else None
    if isinstance(found, Cursor):
        return found
    cursor, body = found or await _build_snapshot(connection, lease, version, plans)
    secret = derive_endpoint_secret(secret_key, lease.id, lease.salt)
    return SignedContent(cursor=cursor, endpoint_id=lease.id, secret=secret, body=body)


async def _build_changes(connection: Connection, lease: Lease) -> tuple[Cursor, bytes] | Cursor | None:
    """What is new; None when that is more than is told one by one."""
    seq = lease.seq or 0
    changes = (await read_changes(connection, {lease.user_id: seq})).get(lease.user_id)
    if changes is None or changes.end_cursor.epoch != lease.epoch or len(changes.messages) > MAX_REPLAYED_TRANSITIONS:
        return None
    if not changes.messages:
        return changes.end_cursor
    epoch = changes.end_cursor.epoch
    return changes.end_cursor, render_changes_body(
        changes.end_cursor, [(it, Cursor(epoch=epoch, seq=it.seq)) for it in changes.messages]
    )


async def _build_snapshot(connection: Connection, lease: Lease, version: str, plans: Plans) -> tuple[Cursor, bytes]:
    """Everything, and the transitions that were missed: what a stream begins with."""
    found = await read_snapshot(connection, lease.user_id, lease.cursor)
    account = render_account_record(await get_installation_call(connection, lease.credential_id), plans, version)
    snapshot = SnapshotMessage(at=found.at, account=account, vehicles=found.vehicles, gap=found.gap)
    since = lease.cursor if found.replay else None
    replay = [(it, Cursor(epoch=found.cursor.epoch, seq=it.seq)) for it in found.replay]
    return found.cursor, render_changes_body(found.cursor, [(snapshot, since or found.cursor), *replay])


async def _build_classic_content(connection: Connection, lease: Lease) -> ClassicContent | Cursor:
    """The car whose state is the oldest that the client has not got; one POST holds one car."""
    seq = 0 if lease.is_foreign or lease.seq is None else lease.seq
    changes = (await read_changes(connection, {lease.user_id: seq})).get(lease.user_id)
    if changes is None:
        return Cursor(epoch=lease.feed_epoch, seq=seq)
    cars = [
        it for it in changes.messages if isinstance(it, VehicleMessage) and it.record["link"]["state"] != "over_limit"
    ]
    wanted = [it for it in cars if lease.vehicle_id is None or it.record["id"] == str(lease.vehicle_id)]
    if not wanted:
        return changes.end_cursor
    first = wanted[0]
    # Behind the last car there is nothing more that a classic client is told.
    at = first.seq if len(wanted) > 1 else changes.end_cursor.seq
    car = ClassicVehicle(
        user_id=lease.user_id,
        vehicle_id=UUID(first.record["id"]),
        vehicle=first.record["vehicle"],
        configured_id=lease.configured_id,
    )
    return ClassicContent(cursor=Cursor(epoch=changes.end_cursor.epoch, seq=at), vehicle=car)
