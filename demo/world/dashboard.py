"""Create a dashboard with the cars, stored as Home Assistant's own editor stores it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from demo.world.device_registry import Device
from demo.world.hass_socket import HassSocket

URL_PATH = "demo-cars"
TITLE = "Cars"
ICON = "mdi:car-electric"
type Card = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A tile of a car. `columns` of the twelve columns of a section."""

    key: str
    name: str
    color: str
    columns: int = 6
    feature: dict[str, Any] | None = None
    feature_position: str = "bottom"


BATTERY = Tile(
    key="sensor.battery_level",
    name="Battery",
    color="green",
    columns=12,
    feature={"type": "bar-gauge", "min": 0, "max": 100},
)
STATE = Tile(key="sensor.charging_state", name="State", color="blue")
RANGE = Tile(key="sensor.range", name="Range", color="teal")
CHARGING = Tile(
    key="switch.charging",
    name="Charging",
    color="amber",
    columns=12,
    feature={"type": "toggle"},
    feature_position="inline",
)
TILES = (
    BATTERY,
    CHARGING,
    STATE,
    Tile(key="sensor.charge_power", name="Power", color="amber"),
    RANGE,
    Tile(key="sensor.charge_time_remaining", name="Time left", color="amber"),
    Tile(key="binary_sensor.plugged_in", name="Cable", color="blue"),
    Tile(key="sensor.charge_limit", name="Limit", color="green"),
    Tile(key="device_tracker.location", name="Place", color="indigo"),
    Tile(key="sensor.odometer", name="Odometer", color="grey"),
)
SHORT_TILES = (BATTERY, CHARGING, STATE, RANGE)


async def create_dashboard(socket: HassSocket, cars: Sequence[Device], *, past: timedelta) -> None:
    """Store the dashboard and make it Home Assistant's default. Idempotent.

    `past` is the time span of the graphs and the map.
    """
    existing = await socket.call("lovelace/dashboards/list")
    if all(row["url_path"] != URL_PATH for row in existing):
        options = {"url_path": URL_PATH, "title": TITLE, "icon": ICON, "mode": "storage", "show_in_sidebar": True}
        await socket.call("lovelace/dashboards/create", **options)
    config = build_dashboard(cars, hours=past / timedelta(hours=1))
    await socket.call("lovelace/config/save", url_path=URL_PATH, config=config)
    await socket.call("frontend/set_system_data", key="core", value={"default_panel": URL_PATH})


def build_dashboard(cars: Sequence[Device], *, hours: float) -> dict[str, Any]:
    """Build the dashboard: the first car with all tiles, map and graphs; the others with few tiles."""
    first_car, *other_cars = cars
    sections = [
        [*_build_cards(first_car, TILES), _build_graph(first_car, hours, ("sensor.charge_power", "Power"))],
        [
            _build_heading("Where it has been", "mdi:map-marker-path"),
            _build_map(first_car, hours),
            _build_graph(first_car, hours, ("sensor.charging_state", "State"), ("sensor.battery_level", "Battery")),
        ],
        [card for car in other_cars for card in _build_cards(car, SHORT_TILES)],
    ]
    view = {
        "title": TITLE,
        "path": "cars",
        "icon": ICON,
        "type": "sections",
        "max_columns": 3,
        "sections": [{"type": "grid", "cards": cards} for cards in sections if cards],
    }
    return {"title": TITLE, "views": [view]}


def _build_cards(car: Device, tiles: Sequence[Tile]) -> Iterator[Card]:
    kind = f"{car.manufacturer or ''} {car.model or ''}".strip()
    yield _build_heading(car.name if kind in car.name else f"{car.name} · {kind}", ICON)
    for tile in tiles:
        if tile.key in car.entities:
            yield _build_tile(tile, car.entities)


def _build_heading(text: str, icon: str) -> Card:
    return {"type": "heading", "heading": text, "heading_style": "title", "icon": icon}


def _build_tile(tile: Tile, entities: dict[str, str]) -> Card:
    card: Card = {
        "type": "tile",
        "entity": entities[tile.key],
        "name": tile.name,
        "color": tile.color,
        "grid_options": {"columns": tile.columns},
    }
    if tile.feature is not None:
        card |= {"features": [tile.feature], "features_position": tile.feature_position}
    return card


def _build_map(car: Device, hours: float) -> Card:
    entities: list[Card] = [{"entity": "zone.home", "focus": False}]
    if "device_tracker.location" in car.entities:
        entities.insert(0, {"entity": car.entities["device_tracker.location"], "label_mode": "icon"})
    options = {"columns": 12, "rows": 6}
    return {"type": "map", "entities": entities, "hours_to_show": hours, "default_zoom": 11, "grid_options": options}


def _build_graph(car: Device, hours: float, *rows: tuple[str, str]) -> Card:
    entities = [{"entity": car.entities[key], "name": name} for key, name in rows if key in car.entities]
    return {"type": "history-graph", "entities": entities, "hours_to_show": hours, "grid_options": {"columns": 12}}
