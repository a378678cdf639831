from demo.world.dashboard import build_dashboard
from demo.world.device_registry import Device


def make_device(name: str, *keys: str, model: str = "Model 3") -> Device:
    entities = {key: f"{key.partition('.')[0]}.{name}_{key.partition('.')[2]}".lower() for key in keys}
    return Device(
        id=name, identifier=name, name=name, manufacturer="Tesla", model=model, is_service=False, entities=entities
    )


def list_cards(*cars: Device) -> list[dict]:
    view = build_dashboard(cars, hours=0.25)["views"][0]
    return [card for section in view["sections"] for card in section["cards"]]


def test_car_shows_only_tiles_of_its_entities():
    cards = list_cards(make_device("blue", "sensor.battery_level", "switch.charging"))
    assert [card["entity"] for card in cards if card["type"] == "tile"] == [
        "sensor.blue_battery_level",
        "switch.blue_charging",
    ]


def test_other_cars_follow_the_first():
    cards = list_cards(make_device("blue", "sensor.battery_level"), make_device("red", "sensor.battery_level"))
    headings = [card["heading"] for card in cards if card["type"] == "heading"]
    assert headings == ["blue · Tesla Model 3", "Where it has been", "red · Tesla Model 3"]


def test_heading_does_not_repeat_a_model_name():
    assert list_cards(make_device("Tesla LEAF", model="LEAF"))[0]["heading"] == "Tesla LEAF"


def test_map_of_a_car_without_tracker_shows_only_home():
    (plan,) = [card for card in list_cards(make_device("blue")) if card["type"] == "map"]
    assert [entity["entity"] for entity in plan["entities"]] == ["zone.home"]
