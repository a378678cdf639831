"""Which vehicle of the account each classic entry means."""

import pytest
from relay_double import HYUNDAI, RENAULT, TESLA, make_record

from custom_components.evconduit.classic_vehicles import ClassicVehicle, match_by_id, match_by_name
from custom_components.evconduit.client import JsonReader, VehicleRecord


def make_vehicle(entry_id: str, *ids: str, names: tuple[str, ...] = ()) -> ClassicVehicle:
    return ClassicVehicle(entry_id=entry_id, ids=ids, names=names)


def parse_record(vehicle_id: str, *former_ids: str, **information: str | None) -> VehicleRecord:
    names = {"brand": None, "model": None, "displayName": None} | information
    record = make_record(TESLA, vehicle={"id": f"enode-{vehicle_id}", "information": names})
    return VehicleRecord.parse(JsonReader(record | {"id": vehicle_id, "former_ids": list(former_ids)}))


RECORDS = [parse_record(TESLA, "old-1"), parse_record(HYUNDAI, "old-2", "old-3"), parse_record(RENAULT)]


@pytest.mark.parametrize(
    ("ids", "vehicle_id"),
    [
        ((TESLA,), TESLA),
        ((f"enode-{RENAULT}",), RENAULT),
        (("old-3",), HYUNDAI),
        (("unknown", "old-1"), TESLA),
        (("old-2", TESLA), HYUNDAI),  # the first id is newer
        (("unknown",), None),
        ((), None),
    ],
)
def test_vehicle_is_found_by_any_id_it_has_or_had(ids: tuple[str, ...], vehicle_id: str | None):
    matches = match_by_id([make_vehicle("e", *ids)], RECORDS)
    assert {entry_id: record.id for entry_id, record in matches.items()} == ({"e": vehicle_id} if vehicle_id else {})


def test_entries_with_a_current_id_are_first():
    entries = [make_vehicle("a", "old-1"), make_vehicle("b", TESLA), make_vehicle("c", "old-2"), make_vehicle("d", "x")]
    assert list(match_by_id(entries, RECORDS)) == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([("Family car",)], {"0": TESLA}),
        ([("FAMILY CAR",)], {"0": TESLA}),
        ([("My car", "Kia EV6")], {"0": HYUNDAI}),
        ([("Family car", "Kia EV6")], {"0": TESLA}),  # the owner's name says more than the model
        ([("Kia EV6",), ("Kia EV6",)], {}),
        ([("Renault Zoe",)], {}),  # two vehicles
        ([("Family car",), ("Tesla Model Y",)], {"0": TESLA}),  # of one vehicle
        ([("Another",)], {}),
        ([()], {}),
    ],
)
def test_vehicle_is_found_by_a_name_that_is_unambiguous(names: list[tuple[str, ...]], expected: dict[str, str]):
    records = [
        parse_record(TESLA, brand="Tesla", model="Model Y", displayName="Family car"),
        parse_record(HYUNDAI, brand="Kia", model="EV6"),
        parse_record(RENAULT, brand="Renault", model="Zoe"),
        parse_record("another", brand="Renault", model="Zoe", displayName="Blue"),
    ]
    entries = [make_vehicle(str(number), names=names_) for number, names_ in enumerate(names)]
    assert {entry_id: record.id for entry_id, record in match_by_name(entries, records).items()} == expected
