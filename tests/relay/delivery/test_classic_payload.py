"""What is POSTed to a classic client: the ids that it may know a vehicle by, and the body."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from relay.delivery.classic_payload import ClassicVehicle

USER, VEHICLE = UUID(int=1), UUID(int=2)
OUR_ID = str(VEHICLE)


def create_vehicle(vehicle, configured_id=None):
    return ClassicVehicle(user_id=USER, vehicle_id=VEHICLE, vehicle=vehicle, configured_id=configured_id)


@pytest.mark.parametrize(
    ("enode_id", "configured_id", "candidates"),
    [
        ("enode", None, ("enode", OUR_ID)),
        ("enode", "enode", ("enode", OUR_ID)),
        ("enode", OUR_ID, (OUR_ID, "enode")),
        ("enode", "old", ("old", "enode")),
        ("", None, (OUR_ID,)),
        (None, None, (OUR_ID,)),
        (None, OUR_ID, (OUR_ID,)),
        (7, "old", ("old", OUR_ID)),
        ("enode", "", ("enode", OUR_ID)),
    ],
)
def test_candidate_ids_begin_with_the_one_that_the_client_was_set_up_with(enode_id, configured_id, candidates):
    vehicle = {} if enode_id is None else {"id": enode_id}
    assert create_vehicle(vehicle, configured_id).list_candidate_ids() == candidates


def test_body_is_enodes_event_with_both_ids():
    vehicle = {"id": "enode", "vendor": "TESLA", "information": {"brand": "Tesla", "displayName": "Red"}}
    body = json.loads(create_vehicle(vehicle).render_body("client", datetime(2026, 11, 29, tzinfo=UTC)))
    assert body == {
        "event": "user:vehicle:updated",
        "createdAt": "2026-11-29T00:00:00.000Z",
        "user": {"id": str(USER)},
        "vehicle": {
            "id": "client",
            "vendor": "TESLA",
            "information": {"brand": "Tesla", "displayName": "Red"},
            "userId": str(USER),
            "enodeId": "enode",
            "internalId": OUR_ID,
        },
        "vehicleId": "client",
        "enodeVehicleId": "enode",
        "internalVehicleId": OUR_ID,
    }
