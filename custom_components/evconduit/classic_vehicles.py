"""Finds out which vehicle of the account each classic entry means."""

from collections.abc import Sequence
from dataclasses import dataclass

from .client import VehicleRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassicVehicle:
    """What a classic entry says about its vehicle. `names`: its title, and the name of its device."""

    entry_id: str
    ids: tuple[str, ...]
    names: tuple[str, ...]


def match_by_id(classics: Sequence[ClassicVehicle], records: Sequence[VehicleRecord]) -> dict[str, VehicleRecord]:
    """Return the record for each entry whose vehicle the account has.

    Entries with a current id are first: the vehicle may have another entry from before it was linked again.
    """
    matches = [
        (not record.current_ids.isdisjoint(classic.ids), classic.entry_id, record)
        for classic in classics
        if (record := _find_record(classic.ids, records)) is not None
    ]
    return {entry_id: record for _, entry_id, record in sorted(matches, key=lambda match: not match[0])}


def match_by_name(classics: Sequence[ClassicVehicle], records: Sequence[VehicleRecord]) -> dict[str, VehicleRecord]:
    """Return the record for each entry with a name that only one entry and only one vehicle have.

    For entries of which the account knows no id, because the vehicles were linked again on another relay.
    """
    matches: dict[str, VehicleRecord] = {}
    for classic in classics:
        for name in classic.names:
            candidates = [record for record in records if name.casefold() in _list_names(record)]
            rivals = [other for other in classics if name.casefold() in map(str.casefold, other.names)]
            if len(candidates) == len(rivals) == 1 and candidates[0] not in matches.values():
                matches[classic.entry_id] = candidates[0]
                break
    return matches


def _find_record(ids: Sequence[str], records: Sequence[VehicleRecord]) -> VehicleRecord | None:
    return next((record for id_ in ids for record in records if id_ in record.all_ids), None)


def _list_names(record: VehicleRecord) -> frozenset[str]:
    information = record.vehicle.information
    model_name = " ".join(filter(None, (information.brand, information.model)))
    return frozenset(name.casefold() for name in (information.display_name, model_name) if name)
