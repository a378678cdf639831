"""Merges the entries of the classic integration into one entry for each account."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_API_KEY, CONF_URL
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.util.hass_dict import HassKey

from .classic_entities import CAPABILITIES
from .classic_entry import CONF_CLASSIC, ClassicEntry, async_remove_classic_leftovers, is_pending_entry
from .classic_issue import async_get_report
from .classic_registry import Target, async_move_registries, find_classic_device
from .classic_vehicles import ClassicVehicle, match_by_id, match_by_name
from .client import (
    Account,
    Json,
    JsonObject,
    LinkState,
    NotFoundError,
    QuotaExhaustedError,
    RelayClient,
    RelayError,
    Snapshot,
    VehicleRecord,
)
from .const import DOMAIN, LOGGER
from .device_registry import async_register_account
from .error_messages import create_setup_error
from .storage import SnapshotStore


@dataclass(kw_only=True, slots=True)
class _Merger:
    """Only one entry at a time merges others. `merged_ids`: entries that are being removed."""

    lock: asyncio.Lock
    merged_ids: set[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Vehicle:
    """A vehicle of the account. `capabilities`: the names of what it supports, None if that isn't known."""

    id: str
    capabilities: frozenset[str] | None


MERGER: Final = HassKey[_Merger](f"{DOMAIN}_merger")


async def async_merge_classic_entries(hass: HomeAssistant, entry: ConfigEntry[Any], client: RelayClient) -> bool:
    """Merge the classic entries of this entry's account. Return False if this one was merged and is being removed.

    A pending entry raises ConfigEntryAuthFailed and ConfigEntryNotReady. For any other entry nothing is raised: it
    works without.
    """
    if not _list_classic_entries(hass):
        return True
    merger = hass.data.setdefault(MERGER, _Merger(lock=asyncio.Lock(), merged_ids=set()))
    async with merger.lock:
        if entry.entry_id in merger.merged_ids:
            return False
        try:
            await _async_merge(hass, entry, client, merger)
        except RelayError as err:
            if not is_pending_entry(entry):
                LOGGER.debug("Looking for classic entries of the account failed: %s", type(err).__name__)
                return True
            raise create_setup_error(err) from err
        return entry.entry_id not in merger.merged_ids


async def _async_merge(hass: HomeAssistant, entry: ConfigEntry[Any], client: RelayClient, merger: _Merger) -> None:
    classics = [classic for classic in _list_classic_entries(hass) if classic.entry_id not in merger.merged_ids]
    if not is_pending_entry(entry) and not await _async_has_vehicle(entry, classics, client):
        return
    account = await client.get_account()
    snapshot = await _async_get_snapshot(client)
    main_entry = _find_main_entry(hass, entry, account.id)
    vehicles = await _async_find_vehicles(hass, entry, classics, client, snapshot)
    if is_pending_entry(entry):
        _check_vehicles(entry, snapshot, vehicles)
    is_first = main_entry is entry and is_pending_entry(entry)
    if is_first:
        await _async_store_snapshot(hass, entry, snapshot)
    # From here on nothing waits, so that no other setup sees a part of it.
    account_device_id = async_register_account(hass, main_entry.entry_id, account, main_entry.data[CONF_URL])
    for classic in _sort_entries(classics, vehicles):
        vehicle = vehicles.get(classic.entry_id)
        if vehicle is None and (snapshot is None or not _has_same_account(entry, classic)):
            continue
        target = Target(
            entry=main_entry,
            account_id=account.id,
            account_device_id=account_device_id,
            vehicle_id=vehicle.id if vehicle is not None else None,
            capabilities=vehicle.capabilities if vehicle is not None else None,
        )
        _async_merge_entry(hass, classic, target, merger)
    if is_first:
        _async_complete_entry(hass, entry, account)
    elif main_entry is not entry:
        hass.config_entries.async_schedule_reload(main_entry.entry_id)  # adds the entities it was given


def _check_vehicles(entry: ConfigEntry[Any], snapshot: Snapshot | None, vehicles: Mapping[str, _Vehicle]) -> None:
    """Raise ConfigEntryNotReady if it is too early to remove the entities of a vehicle that wasn't found."""
    if snapshot is None and entry.entry_id not in vehicles:
        # The free read doesn't find vehicles over the plan's limit.
        raise ConfigEntryNotReady(translation_domain=DOMAIN, translation_key="quota_exhausted")
    if snapshot is not None and not snapshot.vehicles:
        raise ConfigEntryNotReady(translation_domain=DOMAIN, translation_key="no_vehicles")


@callback
def _async_merge_entry(hass: HomeAssistant, classic: ClassicEntry, target: Target, merger: _Merger) -> None:
    """Move what a classic entry has, and remove it unless it is the account's entry itself."""
    report = async_get_report(hass, target.entry.entry_id)
    report.removed += async_move_registries(hass, classic.entry_id, target)
    report.settings.update(classic.settings)
    if target.vehicle_id is None:
        report.vehicles.append(classic.title)
    if classic.entry_id == target.entry.entry_id:
        hass.async_create_background_task(async_remove_classic_leftovers(hass, classic), f"{DOMAIN} classic leftovers")
    else:
        merger.merged_ids.add(classic.entry_id)
        # Waits until the setup of that entry, which may be this one, has ended.
        hass.async_create_task(hass.config_entries.async_remove(classic.entry_id), f"{DOMAIN} remove merged entry")


@callback
def _async_complete_entry(hass: HomeAssistant, entry: ConfigEntry[Any], account: Account) -> None:
    """Let a pending entry become the account's."""
    hass.config_entries.async_update_entry(
        entry,
        unique_id=account.id,
        title=account.title or "EVConduit",
        data={key: value for key, value in entry.data.items() if key != CONF_CLASSIC},
        options={},
    )


def _find_main_entry(hass: HomeAssistant, entry: ConfigEntry[Any], account_id: str) -> ConfigEntry[Any]:
    """Return the entry of the account: another one, if the account is set up already. Raises ConfigEntryNotReady."""
    for other in hass.config_entries.async_entries(DOMAIN, include_ignore=False):
        if other is entry or other.unique_id != account_id or ClassicEntry.parse(other) is not None:
            continue
        if other.disabled_by is not None:
            raise ConfigEntryNotReady(
                translation_domain=DOMAIN,
                translation_key="account_entry_disabled",
                translation_placeholders={"title": other.title},
            )
        return other
    return entry


def _list_classic_entries(hass: HomeAssistant) -> list[ClassicEntry]:
    """List all classic entries. Disabled ones wait until they are enabled."""
    entries = hass.config_entries.async_entries(DOMAIN, include_ignore=False, include_disabled=False)
    return [classic for entry in entries if (classic := ClassicEntry.parse(entry)) is not None]


def _sort_entries(classics: list[ClassicEntry], vehicles: Mapping[str, _Vehicle]) -> list[ClassicEntry]:
    """Sort by the order of `vehicles`, then those without one."""
    order = {entry_id: number for number, entry_id in enumerate(vehicles)}
    return sorted(classics, key=lambda classic: order.get(classic.entry_id, len(order)))


def _has_same_account(entry: ConfigEntry[Any], classic: ClassicEntry) -> bool:
    """Return whether a classic entry is this entry, or has the API key that this entry has or had."""
    own = ClassicEntry.parse(entry)
    keys = {entry.data.get(CONF_API_KEY), own.api_key if own is not None else None}
    return classic.entry_id == entry.entry_id or (classic.api_key != "" and classic.api_key in keys)


async def _async_has_vehicle(entry: ConfigEntry[Any], classics: list[ClassicEntry], client: RelayClient) -> bool:
    """Return whether any classic entry belongs to the account of this entry. Costs no call."""
    return any(_has_same_account(entry, classic) for classic in classics) or bool(
        await _async_request_vehicle_ids(classics, client)
    )


async def _async_find_vehicles(
    hass: HomeAssistant,
    entry: ConfigEntry[Any],
    classics: list[ClassicEntry],
    client: RelayClient,
    snapshot: Snapshot | None,
) -> dict[str, _Vehicle]:
    """Return the vehicle for each classic entry whose vehicle the account has."""
    if snapshot is None:
        ids = await _async_request_vehicle_ids(classics, client)
        return {entry_id: _Vehicle(id=id_, capabilities=None) for entry_id, id_ in ids.items()}
    described = [_describe_vehicle(hass, classic) for classic in classics]
    own_ids = {classic.entry_id for classic in classics if _has_same_account(entry, classic)}
    records = match_by_id(described, snapshot.vehicles)
    if own_ids.isdisjoint(records):
        own = [vehicle for vehicle in described if vehicle.entry_id in own_ids]
        records |= match_by_name(own, [record for record in snapshot.vehicles if record not in records.values()])
    return {
        entry_id: _Vehicle(id=record.id, capabilities=_list_capabilities(record))
        for entry_id, record in records.items()
    }


def _describe_vehicle(hass: HomeAssistant, classic: ClassicEntry) -> ClassicVehicle:
    device = find_classic_device(hass, classic.entry_id)
    names = (classic.title, device.name if device is not None else None)
    return ClassicVehicle(
        entry_id=classic.entry_id, ids=classic.vehicle_ids, names=tuple(dict.fromkeys(filter(None, names)))
    )


async def _async_request_vehicle_ids(classics: Iterable[ClassicEntry], client: RelayClient) -> dict[str, str]:
    """Return the relay's vehicle id for each classic entry whose vehicle the account has. Costs no call."""
    found = {}
    for classic in classics:
        for id_ in classic.vehicle_ids:
            with suppress(NotFoundError):
                found[classic.entry_id] = await client.get_vehicle_id(id_)
                break
    return found


async def _async_get_snapshot(client: RelayClient) -> Snapshot | None:
    try:
        return await client.get_snapshot()
    except QuotaExhaustedError:
        return None


async def _async_store_snapshot(hass: HomeAssistant, entry: ConfigEntry[Any], snapshot: Snapshot | None) -> None:
    """Store what was received, so that setup doesn't request it again."""
    if snapshot is not None:
        vehicles: list[Json] = [record.raw for record in snapshot.vehicles]
        state: JsonObject = {"account": snapshot.account.raw, "vehicles": vehicles, "cursor": None}
        await SnapshotStore(hass, entry.entry_id).async_save(state)


def _list_capabilities(record: VehicleRecord) -> frozenset[str] | None:
    """Return the names of what the vehicle supports. None for one over the plan's limit, which has no data."""
    if record.link_state is LinkState.OVER_LIMIT:
        return None
    supported = record.vehicle.capabilities
    return frozenset(name for name in CAPABILITIES if getattr(supported, name).is_supported)
