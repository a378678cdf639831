"""The state of simulated Home Assistants, which follow the client's rules: what they share, however they are reached.

Each violation of semantics.md by the relay is appended to `violations` when it happens.
"""

import threading
from typing import Any


class Installation:
    """The state of one Home Assistant, which applies messages by the client's rules."""

    def __init__(self, name: str, key: str) -> None:
        self.name, self.key = name, key
        self.vehicles: dict[str, dict[str, Any]] = {}
        self.transitions: list[tuple[str, str]] = []
        self.cursor: str | None = None
        self.first_cursor: str | None = None
        self.gaps = 0
        self.violations: list[str] = []
        self.transition_ids: set[str] = set()
        self._lock = threading.RLock()

    def apply(self, event: str, message_id: str, data: dict[str, Any], *, is_requested: bool = False) -> None:
        """Apply one message; applying it again changes nothing.

        `is_requested`: it comes from a stream, whose snapshot is as new as the connection. A delivery to a webhook may
        have been overtaken.
        """
        with self._lock:
            is_known = self.is_at_or_before_cursor(message_id)
            if event == "snapshot":
                self.gaps += bool(data.get("gap"))
                self._apply_snapshot(data["vehicles"], is_complete=is_requested or not is_known)
            elif event == "vehicle":
                self._apply_record(data)
            elif event == "vehicle_removed" and (is_requested or not is_known):
                self.vehicles.pop(data["id"], None)
            elif event == "transition" and not is_known:
                self._apply_transition(message_id, data)
            if message_id and not is_known:
                self.cursor = message_id
                self.first_cursor = self.first_cursor or message_id

    def _apply_snapshot(self, records: list[dict[str, Any]], *, is_complete: bool) -> None:
        if is_complete:
            self.vehicles = {record["id"]: record for record in records}
        for record in records:
            self._apply_record(record)

    def _apply_record(self, record: dict[str, Any]) -> None:
        current = self.vehicles.get(record["id"])
        if current is None or current["revision"] < record["revision"]:
            self.vehicles[record["id"]] = record

    def _apply_transition(self, message_id: str, data: dict[str, Any]) -> None:
        if message_id in self.transition_ids:
            self.violations.append(f"the transition {message_id} was sent twice")
        self.transition_ids.add(message_id)
        self.transitions.append((data["vehicle_id"], data["type"]))

    def is_at_or_before_cursor(self, message_id: str) -> bool:
        return is_at_or_before(message_id, self.cursor)

    def list_transition_types(self, vehicle_id: str, start: int = 0) -> list[str]:
        """List the transitions of a vehicle's plug and charging from number `start` on; not those of commands."""
        received = self.transitions[start:]
        return [kind for vehicle, kind in received if vehicle == vehicle_id and kind != "command_settled"]


def is_at_or_before(message_id: str, cursor: str | None) -> bool:
    """Return whether a message is not newer than `cursor`, in the same epoch."""
    epoch, sequence = _parse_message_id(message_id)
    cursor_epoch, cursor_sequence = _parse_message_id(cursor or ".0")
    return epoch == cursor_epoch and sequence <= cursor_sequence


def _parse_message_id(message_id: str) -> tuple[str, int]:
    epoch, _, sequence = (message_id or ".0").rpartition(".")
    return epoch, int(sequence)
