"""A dashboard with the cars, stored in Home Assistant the way its own editor does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from demo.world.hass_socket import HassSocket
from demo.world.registry import Device

URL_PATH = "demo-cars"
TITLE = "Cars"
ICON = "mdi:car-electric"
type Card = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A tile of a car. `columns`: of the twelve that a section has. `only_in`: shown while the entity is in a state."""

    key: str
    name: str
    columns: int = 6
    color: str | None = None
    feature: dict[str, Any] | None = None
    state_content: tuple[str, ...] = ()
    only_in: tuple[str, str] | None = None


BATTERY = Tile(
    key="sensor.battery_level",
    name="Battery",
    columns=12,
    color="green",
    feature={"type": "bar-gauge", "min": 0, "max": 100},
)
CHARGING = Tile(key="switch.charging", name="Charging", columns=12, color="amber", feature={"type": "toggle"})
TILES = (
    BATTERY,
    CHARGING,
    Tile(key="sensor.charging_state", name="State", color="blue"),
    Tile(key="sensor.charge_power", name="Power", color="amber"),
    Tile(key="sensor.range", name="Range", color="teal"),
    Tile(key="sensor.charge_limit", name="Limit", color="green"),
    Tile(key="binary_sensor.plugged_in", name="Cable", color="blue"),
    Tile(key="device_tracker.location", name="Place", color="indigo"),
    Tile(key="sensor.odometer", name="Odometer", color="grey"),
    Tile(key="sensor.charge_time_remaining", name="Time left", color="amber"),
)
SMALL = (
    BATTERY,
    Tile(key="sensor.charging_state", name="State", color="blue"),
    Tile(key="sensor.range", name="Range", color="teal"),
    Tile(key="switch.charging", name="Charging", columns=12, color="amber"),
)
HISTORY = (
    ("sensor.battery_level", "Battery"),
    ("sensor.charge_power", "Power"),
    ("sensor.charging_state", "State"),
)


async def make_dashboard(socket: HassSocket, cars: Sequence[Device]) -> None:
    """Store the dashboard and make it the one that Home Assistant opens with. Again is no harm."""
    known = await socket.call("lovelace/dashboards/list")
    if all(row["url_path"] != URL_PATH for row in known):
        about = {"url_path": URL_PATH, "title": TITLE, "icon": ICON, "mode": "storage", "show_in_sidebar": True}
        await socket.call("lovelace/dashboards/create", **about)
    await socket.call("lovelace/config/save", url_path=URL_PATH, config=layout(cars))
    await socket.call("frontend/set_system_data", key="core", value={"default_panel": URL_PATH})


def layout(cars: Sequence[Device]) -> dict[str, Any]:
    """The first car at length, with map and history; the others beside it."""
    first, *others = cars
    sections = [_section(first, TILES), _place_and_past(first)]
    if others:
        sections.append({"type": "grid", "cards": [card for car in others for card in _cards(car, SMALL)]})
    view = {"title": TITLE, "path": "cars", "icon": ICON, "type": "sections", "max_columns": 3, "sections": sections}
    return {"title": TITLE, "views": [view]}


def _section(car: Device, tiles: Sequence[Tile]) -> dict[str, Any]:
    return {"type": "grid", "cards": list(_cards(car, tiles))}


def _cards(car: Device, tiles: Sequence[Tile]) -> Iterator[Card]:
    heading: Card = {"type": "heading", "heading": car.name, "heading_style": "title", "icon": ICON}
    if car.manufacturer:
        heading["heading"] = f"{car.name} · {car.manufacturer} {car.model or ''}".strip()
    yield heading
    for tile in tiles:
        if tile.key in car.entities:
            yield _tile(tile, car.entities)


def _tile(tile: Tile, entities: dict[str, str]) -> Card:
    card: Card = {
        "type": "tile",
        "entity": entities[tile.key],
        "name": tile.name,
        "grid_options": {"columns": tile.columns},
    }
    if tile.color is not None:
        card["color"] = tile.color
    if tile.feature is not None:
        card |= {
            "features": [tile.feature],
            "features_position": "bottom" if tile.feature["type"] != "toggle" else "inline",
        }
    return card


def _place_and_past(car: Device) -> dict[str, Any]:
    cards: list[Card] = [{"type": "heading", "heading": "Where it is, and the last hour", "icon": "mdi:map-marker"}]
    if "device_tracker.location" in car.entities:
        cards.append(
            {
                "type": "map",
                "entities": [{"entity": car.entities["device_tracker.location"]}, {"entity": "zone.home"}],
                "hours_to_show": 1,
                "default_zoom": 11,
                "grid_options": {"columns": 12, "rows": 6},
            }
        )
    rows = [{"entity": car.entities[key], "name": name} for key, name in HISTORY if key in car.entities]
    cards.append({"type": "history-graph", "entities": rows, "hours_to_show": 1, "grid_options": {"columns": 12}})
    return {"type": "grid", "cards": cards}
