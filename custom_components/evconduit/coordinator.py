"""State: one coordinator for the account, which owns the channel to the relay, and one for each car."""

import asyncio
from collections import Counter
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from typing import Final, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_URL
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryNotReady
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed
from homeassistant.util import dt as dt_util

from .client import (
    Account,
    Closed,
    Delivery,
    ForbiddenError,
    JsonObject,
    Message,
    PlanRequiredError,
    QuotaExhaustedError,
    Received,
    RelayClient,
    RelayError,
    RelayStream,
    Snapshot,
    Transition,
    UnauthorizedError,
    VehicleRecord,
    VehicleRemoved,
    is_told,
)
from .const import DOMAIN, LOGGER
from .contact import Contact
from .devices import async_keep_only, async_register_account, async_register_vehicle
from .issues import Issues
from .language import async_choose_language
from .polling import SAFETY_POLL, poll_interval, retry_interval, wish_of
from .problems import sentence_of
from .storage import SnapshotStore
from .vehicle_coordinator import VehicleCoordinator
from .webhook import Webhook

FIRST_SNAPSHOT_WITHIN: Final = timedelta(seconds=10)
TRUSTED_FOR: Final = timedelta(minutes=15)
"""So long after we last heard of the relay we still show what it said."""
POLL_AFTER: Final = timedelta(minutes=2)
"""So long the stream may be down before we ask."""

type EVConduitConfigEntry = ConfigEntry[AccountCoordinator]


class AccountCoordinator(DataUpdateCoordinator[Account]):
    """The account, its cars, and the channels that tell of them.

    The stream tells everything as it happens. While it is down the relay POSTs to our webhook where it can, and is
    asked, seldom. Listeners are told when there are other cars than before, or cars that can do more.
    """

    config_entry: EVConduitConfigEntry

    def __init__(self, hass: HomeAssistant, entry: EVConduitConfigEntry, client: RelayClient) -> None:
        super().__init__(hass, LOGGER, config_entry=entry, name="account", update_interval=None)
        self.client = client
        self.vehicles: dict[str, VehicleCoordinator] = {}
        self.contact = Contact(hass, self._async_on_contact)
        self.streaming = False
        self.cursor: str | None = None
        self.received: Counter[str] = Counter()
        self.webhook = Webhook(hass, entry, client, self.async_take_delivery)
        self._stream = RelayStream(client)
        self._issues = Issues(hass, entry.entry_id)
        self._store = SnapshotStore(hass, entry.entry_id)
        self._account_device_id = ""
        self._push = asyncio.Event()
        self._first_word = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self._stop_waiting_to_poll: CALLBACK_TYPE | None = None
        self._poll_at: datetime | None = None
        self._failed_polls = 0
        self._spent: timedelta | None = None
        self._is_over = False

    async def async_start(self) -> None:
        """Know the account and its cars, and listen. Raises ConfigEntryAuthFailed, ConfigEntryNotReady."""
        self.config_entry.async_on_unload(self._async_stop_timers)
        account = await self._async_first_account()
        self._async_set_account(account)
        stored = await self._store.async_load(account.id)
        self.cursor = self._stream.cursor = stored.cursor if stored else None
        self.webhook.async_start(account)
        self.config_entry.async_create_background_task(
            self.hass, async_choose_language(self.hass, self.client, account), f"{DOMAIN} language"
        )
        self._listening = self.config_entry.async_create_background_task(
            self.hass, self._async_listen(), f"{DOMAIN} stream"
        )
        if account.push:
            if await self._async_hear_first_word():
                return
            LOGGER.info("The relay's stream is not there yet; until it is, the relay is asked now and then")
        if stored is None:
            await self._async_first_snapshot()
            return
        self._poll_at = stored.poll_at
        for record in stored.snapshot.vehicles:  # no proof that other cars are gone: it is our own word
            self._async_take_record(record, is_truth=True)
        self._async_show_issues()
        self._async_without_stream()

    async def async_stop(self) -> None:
        """Hang up and write down what we know."""
        self._is_over = True
        self._async_stop_timers()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])
        await self.webhook.async_stop()
        self._issues.async_clear()
        await self._store.async_save(self._stored())

    async def _async_first_account(self) -> Account:
        try:
            return await self.client.account()
        except (UnauthorizedError, ForbiddenError) as err:
            raise ConfigEntryAuthFailed(translation_domain=DOMAIN, translation_key=sentence_of(err)) from err
        except RelayError as err:
            raise ConfigEntryNotReady(translation_domain=DOMAIN, translation_key=sentence_of(err)) from err

    async def _async_first_snapshot(self) -> None:
        """Ask for the cars. With the month's calls spent there are none to show yet: they come when there are calls."""
        try:
            await self.async_config_entry_first_refresh()
        except ConfigEntryNotReady as err:
            if self._spent is None:
                raise
            LOGGER.info("The calls of this account are used up: its cars are shown as soon as there are some again")
            LOGGER.debug("%s", err)
            self.update_interval = self._spent
            self._async_note_plan(self._spent)

    async def _async_hear_first_word(self) -> bool:
        """Whether the stream gave its snapshot: False as soon as it is refused, or when nothing comes in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_SNAPSHOT_WITHIN.total_seconds()):
                await self._first_word.wait()
        return self.streaming

    # The stream

    async def _async_listen(self) -> None:
        """Take what the stream tells, for as long as the credential is good."""
        while True:
            await self._push.wait()
            try:
                async with aclosing(self._stream.events()) as events:
                    async for event in events:
                        self._async_on_event(event)
            except PlanRequiredError as err:
                self._push.clear()  # until an account says again that the plan has it
                self._async_on_refused(err)
            except (UnauthorizedError, ForbiddenError) as err:
                self._async_on_refused(err)
                self.config_entry.async_start_reauth(self.hass)
                return

    @callback
    def _async_on_event(self, event: Received | Closed) -> None:
        try:
            match event:
                case Closed(error=error):
                    self._async_on_closed(error)
                case Received(message=message, cursor=cursor):
                    self.received[type(message).__name__] += 1
                    if isinstance(message, Snapshot):
                        self._async_on_open()
                    self._async_take(message, cursor)
        except Exception:  # noqa: BLE001 - logged; a fault in one message must not lose all that come after it
            LOGGER.exception("A message of the relay could not be taken")

    # The webhook

    @callback
    def async_take_delivery(self, delivery: Delivery) -> bool:
        """Take what was POSTed; whether we know all of it now.

        While the stream is up it tells all there is, and nothing is taken from elsewhere. But a stream can be dead
        for a while before we notice: what it did not tell is not acknowledged, so that it comes again.
        """
        if self.streaming:
            return all(is_told(it.cursor, self.cursor) for it in delivery.messages)
        for received in delivery.messages:
            self.received[f"POST {type(received.message).__name__}"] += 1
            try:
                self._async_take(received.message, received.cursor)
            except Exception:  # noqa: BLE001 - logged; a fault in one message must not bring it back for ever
                LOGGER.exception("A message of the relay could not be taken")
        if delivery.messages:
            self.contact.async_heard(max(TRUSTED_FOR, 2 * (self.update_interval or timedelta(0))))
            self.async_set_updated_data(self.data)  # puts off the poll
        return True

    # What is told, whichever way

    @callback
    def _async_take(self, message: Message, cursor: str | None) -> None:
        """Take a message. One that we were told the other way already is passed over."""
        # A snapshot counts all the same, and what follows it may be told already. After a gap it is a new beginning.
        is_old = is_told(cursor, self.cursor) and not (isinstance(message, Snapshot) and message.gap)
        if not is_old or not isinstance(message, Transition | VehicleRemoved):
            self._async_on_message(message)
        if not is_old:
            self.cursor = cursor or self.cursor
        self._stream.cursor = self.cursor
        self._store.async_schedule(self._stored)

    @callback
    def _async_on_message(self, message: Message) -> None:
        match message:
            case Snapshot():
                self._async_take_snapshot(message)
                self.async_set_updated_data(self.data)  # also calls off the poll that was due
            case VehicleRecord():
                if self._async_take_record(message):
                    self.async_update_listeners()
                self._async_show_issues()
            case VehicleRemoved(id=vehicle_id):
                if self.vehicles.pop(vehicle_id, None):
                    self._async_show_issues()
                    self._async_forget_the_gone()
                    self.async_update_listeners()
            case Account():
                self._async_set_account(message)
            case Transition():
                pass  # the state it led to comes with the car's record

    @callback
    def _async_on_open(self) -> None:
        if not self.streaming:
            LOGGER.info("Connected: the relay tells changes as they happen")
        self.streaming = True
        self._async_stop_waiting_to_poll()
        self.update_interval = self._poll_at = None
        self.contact.async_hold()
        if self._first_word.is_set():
            self.webhook.async_start(self.data)  # a relay that was away may have forgotten it
        self._first_word.set()

    @callback
    def _async_on_closed(self, error: RelayError) -> None:
        if self.streaming:
            LOGGER.info("Disconnected: the relay's stream ended (%s)", error)
            self.streaming = False
            self._async_without_stream()

    @callback
    def _async_on_refused(self, error: RelayError) -> None:
        self._first_word.set()
        self._async_on_closed(error)

    @callback
    def _async_without_stream(self) -> None:
        """Live on what we know for a while, then ask."""
        if self.data.push:
            self.contact.async_heard(TRUSTED_FOR)
            self._stop_waiting_to_poll = async_call_later(self.hass, POLL_AFTER, self._async_begin_polling)
        else:
            self._async_plan_next_poll()
            self.async_set_updated_data(self.data)  # starts the clock, where somebody listens already

    # Asking, while there is no stream

    @callback
    def _async_begin_polling(self, _now: datetime) -> None:
        self._stop_waiting_to_poll = None
        if self.config_entry.pref_disable_polling:
            return
        self.update_interval = SAFETY_POLL
        self.config_entry.async_create_background_task(self.hass, self.async_refresh(), f"{DOMAIN} poll")

    @override
    async def _async_update_data(self) -> Account:
        try:
            snapshot = await self.client.vehicles()
        except RelayError as err:
            if self._is_over:
                return self.data
            raise self._async_poll_failed(err) from err
        self._spent = None
        self._failed_polls = 0
        if self.streaming or self._is_over:
            return self.data  # the stream came back while we asked, and what it told is newer; or nobody is there now
        self._poll_at = None
        self._async_take_snapshot(snapshot)
        self._async_plan_next_poll()
        return self.data

    @callback
    def _async_poll_failed(self, err: RelayError) -> ConfigEntryAuthFailed | UpdateFailed:
        if isinstance(err, UnauthorizedError | ForbiddenError):
            return ConfigEntryAuthFailed(translation_domain=DOMAIN, translation_key=sentence_of(err))
        wish = wish_of(err)
        if wish is None and self.update_interval is not None:
            wish = retry_interval(err, self.update_interval, self._failed_polls)
        self._failed_polls += 1
        self._async_on_no_answer(err, wish)
        return UpdateFailed(
            translation_domain=DOMAIN,
            translation_key=sentence_of(err),
            retry_after=wish.total_seconds() if wish else None,
        )

    @callback
    def _async_on_no_answer(self, error: RelayError, wish: timedelta | None) -> None:
        """The poll came to nothing. That calls are spent is an answer too: what we know is all there is for a while."""
        if isinstance(error, QuotaExhaustedError):
            self._spent = wish or poll_interval(self.data)
            self._async_note_plan(self._spent)
        elif wish is not None:
            self._poll_at = dt_util.utcnow() + wish

    @callback
    def _async_plan_next_poll(self) -> None:
        """We heard the relay just now."""
        self.update_interval = poll_interval(self.data, self._poll_at)
        self._async_note_plan(self.update_interval)

    @callback
    def _async_note_plan(self, wait: timedelta) -> None:
        """Remember when to ask, beyond a restart; one poll may fail before we doubt what the relay said."""
        self._poll_at = dt_util.utcnow() + wait
        self.contact.async_heard(max(TRUSTED_FOR, 2 * wait))
        self._store.async_schedule(self._stored)

    # What we know

    @callback
    def _async_set_account(self, account: Account) -> None:
        known, self.data = self.data, account
        if account.push:
            self._push.set()
        if self._listening is not None and (account.push, account.features) != (known.push, known.features):
            self.webhook.async_start(account)
        self._account_device_id = async_register_account(
            self.hass, self.config_entry.entry_id, account, self.config_entry.data[CONF_URL]
        )

    @callback
    def _async_take_snapshot(self, snapshot: Snapshot) -> None:
        """The whole truth, even where it is older than what we had (a relay restored from a backup)."""
        self._async_set_account(snapshot.account)
        for record in snapshot.vehicles:
            self._async_take_record(record, is_truth=True)
        self.vehicles = {record.id: self.vehicles[record.id] for record in snapshot.vehicles}
        self._async_forget_the_gone()
        self._async_show_issues()

    @callback
    def _async_show_issues(self) -> None:
        self._issues.async_show((it.data for it in self.vehicles.values()), self.data.features)

    @callback
    def _async_take_record(self, record: VehicleRecord, *, is_truth: bool = False) -> bool:
        """A car's record; whether there may be more to show of it than before."""
        vehicle = self.vehicles.get(record.id)
        if vehicle is None:
            self._async_register(record)
            self.vehicles[record.id] = VehicleCoordinator(self.hass, self.config_entry, self, record)
            return True
        known = vehicle.data
        if not is_truth and record.revision <= known.revision:
            return False
        if record.vehicle.information != known.vehicle.information:
            self._async_register(record)
        vehicle.async_take(record)
        return record.vehicle.capabilities != known.vehicle.capabilities

    @callback
    def _async_register(self, record: VehicleRecord) -> None:
        async_register_vehicle(self.hass, self.config_entry.entry_id, record, self._account_device_id)

    @callback
    def _async_forget_the_gone(self) -> None:
        async_keep_only(self.hass, self.config_entry.entry_id, {self.data.id, *self.vehicles})

    @callback
    def _async_on_contact(self) -> None:
        for vehicle in self.vehicles.values():
            vehicle.async_update_listeners()

    @callback
    def _async_stop_timers(self) -> None:
        self._async_stop_waiting_to_poll()
        self.contact.async_stop()

    @callback
    def _async_stop_waiting_to_poll(self) -> None:
        if self._stop_waiting_to_poll is not None:
            self._stop_waiting_to_poll()
            self._stop_waiting_to_poll = None

    @callback
    def _stored(self) -> JsonObject:
        return {
            "account": self.data.raw,
            "vehicles": [vehicle.data.raw for vehicle in self.vehicles.values()],
            "cursor": self.cursor,
            "poll_at": self._poll_at.isoformat() if self._poll_at else None,
        }
