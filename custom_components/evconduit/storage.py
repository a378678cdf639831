"""The last we knew, kept on disk, so that a restart shows the cars at once and costs no call."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store

from .client import Fields, JsonObject, MalformedError, Snapshot
from .const import DOMAIN

VERSION = 1
SAVE_AFTER_SECONDS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """A snapshot, the stream's cursor that goes with it, and when the relay was to be asked again without a stream."""

    snapshot: Snapshot
    cursor: str | None
    next_poll_at: datetime | None


class SnapshotStore:
    """Keeps one entry's snapshot, in the relay's own JSON, readable only by Home Assistant's user."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        self._store = Store[JsonObject](hass, VERSION, f"{DOMAIN}.{entry_id}", private=True, atomic_writes=True)

    async def async_load(self, account_id: str) -> Stored | None:
        """What was kept of this account, if it can (still) be read."""
        kept = Fields(await self._store.async_load())
        try:
            snapshot = Snapshot.parse(kept)
        except MalformedError:
            return None
        if snapshot.account.id != account_id:
            return None
        return Stored(snapshot=snapshot, cursor=kept.text("cursor"), next_poll_at=kept.time("poll_at"))

    @callback
    def async_schedule_save(self, contents: Callable[[], JsonObject]) -> None:
        """Save before long; many calls make one write, and a stop of Home Assistant writes at once."""
        self._store.async_delay_save(contents, SAVE_AFTER_SECONDS)

    async def async_save(self, contents: JsonObject) -> None:
        """Save now."""
        await self._store.async_save(contents)

    async def async_remove(self) -> None:
        """Forget it all."""
        await self._store.async_remove()
