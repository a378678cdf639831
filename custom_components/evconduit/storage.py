"""Storage of the last state, so that a restart shows the vehicles at once and costs no call."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store

from .client import JsonObject, JsonReader, MalformedError, Snapshot
from .const import DOMAIN, LOGGER

VERSION = 1
SAVE_DELAY_SECONDS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredState:
    """A snapshot, its cursor, when the next poll is due if there is no stream, and the last contact with the relay."""

    snapshot: Snapshot
    cursor: str | None
    next_poll_at: datetime | None
    last_contact_at: datetime | None


class SnapshotStore:
    """Stores one entry's state as the relay's own JSON, in a file that only Home Assistant's user can read."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        self._store = Store[JsonObject](hass, VERSION, f"{DOMAIN}.{entry_id}", private=True, atomic_writes=True)
        self._is_save_scheduled = False

    async def async_load(self, account_id: str) -> StoredState | None:
        """Load the state. None if there is none for this account, or it can't be read."""
        reader = JsonReader(await self._async_read())
        try:
            snapshot = Snapshot.parse(reader)
        except MalformedError:
            return None
        if snapshot.account.id != account_id:
            return None
        return StoredState(
            snapshot=snapshot,
            cursor=reader.get_str("cursor"),
            next_poll_at=reader.get_datetime("poll_at"),
            last_contact_at=reader.get_datetime("contact_at"),
        )

    async def async_load_vehicle_ids(self) -> frozenset[str]:
        """Load the ids of the vehicles, of any account."""
        reader = JsonReader(await self._async_read())
        with suppress(MalformedError):
            return frozenset(record.id for record in Snapshot.parse(reader).vehicles)
        return frozenset()

    async def async_load_raw(self) -> JsonObject:
        """Load what is stored, for diagnostics."""
        return JsonReader(await self._async_read()).values

    @callback
    def async_schedule_save(self, get_state: Callable[[], JsonObject]) -> None:
        """Save within SAVE_DELAY_SECONDS, or when Home Assistant stops. Calls until then cause no other write.

        They don't postpone it either, as they would with `Store.async_delay_save` alone: under steady traffic nothing
        would ever be written.
        """
        if self._is_save_scheduled:
            return
        self._is_save_scheduled = True

        @callback
        def get_state_to_write() -> JsonObject:
            self._is_save_scheduled = False
            return get_state()

        self._store.async_delay_save(get_state_to_write, SAVE_DELAY_SECONDS)

    async def async_save(self, state: JsonObject) -> None:
        """Save immediately."""
        self._is_save_scheduled = False
        await self._store.async_save(state)

    async def async_remove(self) -> None:
        """Delete the file."""
        await self._store.async_remove()

    async def _async_read(self) -> JsonObject | None:
        """Read the file, which is only a cache: one that can't be read is replaced by the next save."""
        try:
            return await self._store.async_load()
        except Exception as err:  # noqa: BLE001 - a cache must not stop setup, whatever a later version wrote to it
            LOGGER.warning("Ignoring the stored state of the vehicles: %s", err)
            return None
