"""Read the integration's devices and entities from Home Assistant's registries."""

from dataclasses import dataclass, field

from demo.world.hass_api import Json
from demo.world.hass_socket import HassSocket

DOMAIN = "evconduit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device of the integration. `entities` maps platform and key, such as `switch.charging`, to the entity id."""

    id: str
    identifier: str
    name: str
    manufacturer: str | None
    model: str | None
    is_service: bool
    entities: dict[str, str] = field(default_factory=dict)


async def list_devices(socket: HassSocket) -> list[Device]:
    """List the devices with their enabled entities, sorted by name."""
    entities: list[Json] = await socket.call("config/entity_registry/list")
    devices = [
        Device(
            id=row["id"],
            identifier=identifier,
            name=row["name_by_user"] or row["name"],
            manufacturer=row["manufacturer"],
            model=row["model"],
            is_service=row["entry_type"] == "service",
            entities=_list_entities(row["id"], identifier, entities),
        )
        for row in await socket.call("config/device_registry/list")
        for domain, identifier in row["identifiers"]
        if domain == DOMAIN
    ]
    return sorted(devices, key=lambda device: device.name)


def _list_entities(device_id: str, identifier: str, rows: list[Json]) -> dict[str, str]:
    return {
        f"{row['entity_id'].partition('.')[0]}.{row['unique_id'].removeprefix(f'{identifier}_')}": row["entity_id"]
        for row in rows
        if row["platform"] == DOMAIN and row["device_id"] == device_id and row["disabled_by"] is None
    }
