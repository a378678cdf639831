"""Read the changes that an endpoint has not received, render them as a body, and POST it."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from relay.delivery.classic_payload import (
    CLASSIC_OK,
    CLASSIC_WRONG_VEHICLE,
    ClassicVehicle,
)
from relay.delivery.delivery_queue import DeliveryLease
from relay.delivery.payloads import is_acknowledged, render_changes_body
from relay.delivery.signing import create_signed_headers, derive_endpoint_secret, derive_message_id
from relay.feed.cursor import MAX_REPLAYED_TRANSITIONS, Cursor
from relay.feed.messages import Message, VehicleMessage
from relay.kit.database import Connection
from relay.kit.outbound import OutboundError, OutboundFailure
from relay.plans import Plans
from relay.usecases.calls.authorize import get_installation_call
from relay.usecases.calls.instance_id import fetch_instance_id
from relay.usecases.calls.runtime import RelayIdentity
from relay.usecases.feed.account_and_vehicles import render_account_record
from relay.usecases.feed.reader import read_changes, read_snapshot
from relay.vehicles.classic_records import render_pushed_vehicle

JSON_HEADERS = {"Content-Type": "application/json"}


type PostToEndpoint = Callable[[bytes, Mapping[str, str]], Awaitable[bytes]]
"""POSTs a body with these headers to the leased endpoint. Raises OutboundError, and RequestWithdrawnError."""


class DeliveryContent(Protocol):
    """What to deliver. After delivery the endpoint has received the feed up to `cursor`."""

    @property
    def cursor(self) -> Cursor:
        """The position in the user's feed."""
        ...

    async def send(self, post: PostToEndpoint) -> OutboundFailure | None:
        """POST the content and return the class of failure; None if it was delivered."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedContent:
    """Messages for the integration, signed with the endpoint's secret."""

    cursor: Cursor
    endpoint_id: UUID
    secret: bytes = field(repr=False)
    body: bytes = field(repr=False)

    async def send(self, post: PostToEndpoint) -> OutboundFailure | None:
        """POST the body; it is delivered once the receiver acknowledges its message id."""
        message_id = derive_message_id(self.endpoint_id, self.body)
        headers = create_signed_headers(self.secret, message_id, self.body, timestamp=int(time.time()))
        try:
            response = await post(self.body, headers)
        except OutboundError as error:
            return error.failure
        return None if is_acknowledged(response, message_id) else "answer"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassicContent:
    """One vehicle, for a classic client."""

    cursor: Cursor
    vehicle: ClassicVehicle

    async def send(self, post: PostToEndpoint) -> OutboundFailure | None:
        """POST the vehicle; it is delivered once the client answers OK.

        A client that was set up with another id answers CLASSIC_WRONG_VEHICLE; then the vehicle is sent again with the
        other candidate id.
        """
        for client_vehicle_id in self.vehicle.list_candidate_ids():
            body = self.vehicle.render_body(client_vehicle_id, datetime.now(UTC))
            try:
                response = await post(body, JSON_HEADERS)
            except OutboundError as error:
                return error.failure
            if not response.startswith(CLASSIC_OK):
                return "answer"
            if CLASSIC_WRONG_VEHICLE not in response:
                break
        return None


async def read_content(
    connection: Connection, lease: DeliveryLease, *, secret_key: bytes, version: str, plans: Plans
) -> DeliveryContent | Cursor:
    """Read the newest state for this endpoint; returns only a cursor when there is nothing to send up to it."""
    if lease.kind == "classic":
        return await _build_classic_content(connection, lease)
    can_resume = not lease.has_invalid_cursor and not lease.has_stale_cursor
    changes = await _build_changes(connection, lease) if can_resume else None
    if isinstance(changes, Cursor):
        return changes
    cursor, body = changes or await _build_snapshot(connection, lease, version, plans)
    secret = derive_endpoint_secret(secret_key, lease.id, lease.salt)
    return SignedContent(cursor=cursor, endpoint_id=lease.id, secret=secret, body=body)


async def _build_changes(connection: Connection, lease: DeliveryLease) -> tuple[Cursor, bytes] | Cursor | None:
    """Render what has changed; None when a snapshot should be sent instead, as there are too many messages."""
    seq = lease.seq or 0
    changes = (await read_changes(connection, {lease.user_id: seq})).get(lease.user_id)
    if changes is None or changes.end_cursor.epoch != lease.epoch or len(changes.messages) > MAX_REPLAYED_TRANSITIONS:
        return None
    if not changes.messages:
        return changes.end_cursor
    return changes.end_cursor, render_changes_body(changes.end_cursor, changes.pair_with_cursors())


async def _build_snapshot(
    connection: Connection, lease: DeliveryLease, version: str, plans: Plans
) -> tuple[Cursor, bytes]:
    """Render the snapshot and the missed transitions, as at the beginning of a stream."""
    snapshot = await read_snapshot(connection, lease.user_id, lease.replay_cursor)
    relay = RelayIdentity(version=version, instance_id=await fetch_instance_id(connection))
    account = render_account_record(await get_installation_call(connection, lease.credential_id), plans, relay)
    message = snapshot.create_message(account)
    since = lease.replay_cursor if snapshot.replay else None
    messages: list[tuple[Message, Cursor]] = [(message, since or snapshot.cursor), *snapshot.pair_replay_with_cursors()]
    return snapshot.cursor, render_changes_body(snapshot.cursor, messages)


async def _build_classic_content(connection: Connection, lease: DeliveryLease) -> ClassicContent | Cursor:
    """Build content with the first vehicle in the feed that the client has not received; one POST has one vehicle."""
    seq = 0 if lease.has_invalid_cursor or lease.seq is None else lease.seq
    changes = (await read_changes(connection, {lease.user_id: seq})).get(lease.user_id)
    if changes is None:
        return Cursor(epoch=lease.feed_epoch, seq=seq)
    messages = [
        message
        for message in changes.messages
        if isinstance(message, VehicleMessage)
        and message.record["link"]["state"] != "over_limit"
        and (lease.vehicle_id is None or message.record["id"] == str(lease.vehicle_id))
    ]
    if not messages:
        return changes.end_cursor
    first = messages[0]
    # After the last vehicle the feed holds nothing more that a classic client receives.
    seq = first.seq if len(messages) > 1 else changes.end_cursor.seq
    vehicle = ClassicVehicle(
        user_id=lease.user_id,
        vehicle_id=UUID(first.record["id"]),
        vehicle=render_pushed_vehicle(first.record["vehicle"]),
        configured_id=lease.configured_id,
    )
    return ClassicContent(cursor=Cursor(epoch=changes.end_cursor.epoch, seq=seq), vehicle=vehicle)
