"""Accepted mutants of relay/vehicles."""

from scripts.lib.mutation.tables import AcceptedRow

ACCEPTED: tuple[AcceptedRow, ...] = (
    AcceptedRow(
        module="relay/vehicles/places.py",
        function="get_distance_m",
        old="return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(latitude_term + longitude_term)))",
        new="return 2 * EARTH_RADIUS_M * asin(min(2.0, sqrt(latitude_term + longitude_term)))",
        reason=(
            "A guard against rounding: no pair of positions is known whose root exceeds 1 (2,000,000 "
            "opposite ones tried)."
        ),
    ),
    AcceptedRow(
        module="relay/vehicles/charging/ledger.py",
        function="amend_ledger",
        old=(
            "changed = [session for session, match in zip(sessions, matches, strict=True) if session != match.recorded]"
        ),
        new=(
            "changed = [session for session, match in zip(sessions, matches, strict=False) if session "
            "!= match.recorded]"
        ),
        reason="Both have the same length by construction.",
    ),
    AcceptedRow(
        module="relay/vehicles/merge.py",
        function="_Registers.write_group",
        old="if version <= before:",
        new="if version < before:",
        reason="An equal version belongs to the same event, and its value is the same.",
    ),
    AcceptedRow(
        module="relay/vehicles/merge.py",
        function="_Registers.write_group",
        old="kept |= {leaf: leaf_version for leaf, leaf_version in old_leaves.items() if leaf_version > version}",
        new="kept |= {leaf: leaf_version for leaf, leaf_version in old_leaves.items() if leaf_version >= version}",
        reason="A group and a member never have the same version: an event writes one or the other.",
    ),
    AcceptedRow(
        module="relay/vehicles/merge.py",
        function="_Registers.write_leaf",
        old='if version <= leaves.get(leaf, self._versions.get(name, "")):',
        new='if version < leaves.get(leaf, self._versions.get(name, "")):',
        reason="An equal version belongs to the same event, and its value is the same.",
    ),
    AcceptedRow(
        module="relay/vehicles/models.py",
        function="Vehicle.corrected_groups",
        old="return {**self.state.groups, **overlay} if overlay else self.state.groups",
        new="return {**self.state.groups, **overlay} if (overlay) or True else self.state.groups",
        reason="Without an overlay both are equal; the condition saves a copy.",
    ),
    AcceptedRow(
        module="relay/vehicles/vin.py",
        function="normalize_vin",
        old='text = re.sub(r"[\\s-]", "", vin or "").upper()',
        new='text = re.sub(r"[\\s-]", "", vin or "XXXX").upper()',
        reason="Four characters aren't a VIN either.",
    ),
)
