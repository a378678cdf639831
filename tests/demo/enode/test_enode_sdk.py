"""Enode's own SDK calls the simulator and parses every response.

The tables list every operation of the SDK; the last test ensures that none is missing.
"""

import importlib
import inspect
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from enode import Enode, models
from enode.errors import ChargeActionError, EnodeError, ProblemError
from pydantic import BaseModel

from tests.demo.enode.running_simulator import ALL_SCOPES, RunningSimulator, make_settings
from tests.demo.enode.webhook_receiver import WebhookReceiver

UNKNOWN_ID = str(uuid.uuid4())
START_DATE = datetime(2026, 11, 1, tzinfo=UTC)
REDIRECT_URI = "https://app.example/done"
LANGUAGE = models.LinkUserPayloadLanguage.EN_US


class Setup:
    """A simulator with two linked cars, the SDK, and the ids that the tables use."""

    def __init__(self, simulator: RunningSimulator, receiver: WebhookReceiver) -> None:
        self.simulator = simulator
        self.receiver = receiver
        simulator.sign_in()
        self.car = simulator.link_car()
        self.other_car = simulator.link_car("volkswagen-id4")
        simulator.change_car(self.car, activity="plug_in", battery_level=40)
        settings = simulator.settings
        self.sdk = Enode(
            server_url=simulator.url,
            security=models.Security(
                client_id=settings.client_id,
                client_secret=settings.client_secret,
                token_url=f"{simulator.url}/oauth2/token",
            ),
        )
        home = {"name": "Home", "latitude": 52.09, "longitude": 5.12, "timezoneName": "Europe/Amsterdam"}
        self.location_id = simulator.json("POST", "/users/u1/locations", home)["id"]
        self.subscription_id = simulator.create_subscription(receiver.url)["id"]

    def build_headers(self) -> dict[str, str]:
        """Return headers with a token, for operations to which the SDK sends none."""
        return {"Authorization": self.simulator.http.headers["authorization"]}

    def start_action(self) -> str:
        """Start an action and return its id."""
        self.simulator.change_car(self.car, activity="stop", battery_level=40)
        return self.simulator.send_command(self.car, "START")["id"]


@pytest.fixture(scope="module")
def setup() -> Iterator[Setup]:
    simulator, receiver = RunningSimulator(make_settings()), WebhookReceiver()
    try:
        yield Setup(simulator, receiver)
    finally:
        receiver.close()
        simulator.close()


def relink(setup: Setup) -> Any:
    setup.simulator.change_car(setup.other_car, credentials_valid=False)
    language = models.RelinkUserPayloadLanguage.EN_US
    return setup.sdk.user_management.relink_asset(
        asset_id=setup.other_car, language=language, redirect_uri=REDIRECT_URI
    )


def create_link(setup: Setup) -> Any:
    scopes = [models.Scopes(scope) for scope in ALL_SCOPES]
    return setup.sdk.user_management.post_users_userid_link(
        user_id="new", scopes=scopes, language=LANGUAGE, redirect_uri=REDIRECT_URI, vendor=models.VehicleVendor.TESLA
    )


def override(setup: Setup) -> Any:
    setup.sdk.vehicles.create_smart_override(vehicle_id=setup.car)
    return setup.sdk.vehicles.end_smart_override(vehicle_id=setup.car)


def get_first_intervention(setup: Setup) -> Any:
    interventions = setup.sdk.interventions.list()
    return setup.sdk.interventions.get(intervention_id=interventions[0].id)


def create_webhook(setup: Setup) -> Any:
    return setup.sdk.webhooks.create(
        url=f"https://relay.example.org/{uuid.uuid4()}",
        secret="a secret of mine",
        authentication=models.WebhookCreatePayloadAuthentication(header_name="x-key", header_value="k"),
    )


ANSWERED: dict[str, Callable[[Setup], Any]] = {
    "user_management.post_users_userid_link": create_link,
    "user_management.relink_asset": relink,
    "user_management.list": lambda setup: setup.sdk.user_management.list(page_size=1),
    "user_management.get": lambda setup: setup.sdk.user_management.get(user_id="u1"),
    "user_management.unlink_user": lambda setup: (
        create_link(setup),
        setup.sdk.user_management.unlink_user(user_id="new"),
    )[1],
    "user_management.delete_users_userid_authorization": lambda setup: (
        create_link(setup),
        setup.sdk.user_management.delete_users_userid_authorization(user_id="new"),
    )[1],
    "vehicles.list": lambda setup: setup.sdk.vehicles.list(page_size=1),
    "vehicles.list_for_user": lambda setup: setup.sdk.vehicles.list_for_user(user_id="u1"),
    "vehicles.get": lambda setup: setup.sdk.vehicles.get(vehicle_id=setup.car),
    "vehicles.refresh_hint": lambda setup: setup.sdk.vehicles.refresh_hint(vehicle_id=setup.car),
    "vehicles.control_charging": lambda setup: (
        setup.simulator.change_car(setup.car, activity="stop", battery_level=40),
        setup.sdk.vehicles.control_charging(vehicle_id=setup.car, action=models.ChargingAction.START),
    )[1],
    "vehicles.get_action": lambda setup: setup.sdk.vehicles.get_action(action_id=setup.start_action()),
    "vehicles.cancel_action": lambda setup: setup.sdk.vehicles.cancel_action(action_id=setup.start_action()),
    "vehicles.set_max_current": lambda setup: setup.sdk.vehicles.set_max_current(vehicle_id=setup.car, max_current=8),
    "experimental.set_max_current": lambda setup: setup.sdk.experimental.set_max_current(
        vehicle_id=setup.car, max_current=9
    ),
    "vehicles.get_smart_charging_policy": lambda setup: setup.sdk.vehicles.get_smart_charging_policy(
        vehicle_id=setup.car
    ),
    "vehicles.get_smart_charging_status": lambda setup: setup.sdk.vehicles.get_smart_charging_status(
        vehicle_id=setup.car
    ),
    "vehicles.update_smart_charging_policy": lambda setup: setup.sdk.vehicles.update_smart_charging_policy(
        vehicle_id=setup.car, is_enabled=False, deadline="07:30"
    ),
    "vehicles.create_smart_override": lambda setup: setup.sdk.vehicles.create_smart_override(vehicle_id=setup.car),
    "vehicles.end_smart_override": override,
    "webhooks.create": create_webhook,
    "webhooks.list": lambda setup: setup.sdk.webhooks.list(),
    "webhooks.get": lambda setup: setup.sdk.webhooks.get(webhook_id=setup.subscription_id),
    "webhooks.update": lambda setup: setup.sdk.webhooks.update(webhook_id=setup.subscription_id, authentication=None),
    "webhooks.test": lambda setup: setup.sdk.webhooks.test(webhook_id=setup.subscription_id),
    "webhooks.delete": lambda setup: setup.sdk.webhooks.delete(webhook_id=create_webhook(setup).id),
    "locations.create": lambda setup: setup.sdk.locations.create(
        user_id="u1", name="Work", latitude=52.0, longitude=5.0, timezone_name="Europe/Amsterdam"
    ),
    "locations.list": lambda setup: setup.sdk.locations.list(),
    "locations.list_for_user": lambda setup: setup.sdk.locations.list_for_user(user_id="u1"),
    "locations.get": lambda setup: setup.sdk.locations.get(location_id=setup.location_id),
    "locations.update": lambda setup: setup.sdk.locations.update(location_id=setup.location_id, name="New home"),
    "locations.delete": lambda setup: setup.sdk.locations.delete(
        location_id=setup.sdk.locations.create(
            user_id="u1", name="Gone", latitude=1.0, longitude=2.0, timezone_name="UTC"
        ).id
    ),
    "interventions.list": lambda setup: setup.sdk.interventions.list(),
    "interventions.get": get_first_intervention,
    "service_health.check_readiness": lambda setup: setup.sdk.service_health.check_readiness(),
    # The SDK sends no token to these, but Enode's newer OpenAPI document requires one, and so does the simulator.
    "service_health.list_integrations": lambda setup: setup.sdk.service_health.list_integrations(
        http_headers=setup.build_headers()
    ),
    "service_health.get_vehicle_vendors": lambda setup: setup.sdk.service_health.get_vehicle_vendors(
        http_headers=setup.build_headers()
    ),
    "service_health.check_charger_vendors": lambda setup: setup.sdk.service_health.check_charger_vendors(
        http_headers=setup.build_headers()
    ),
    "service_health.get_battery_vendors": lambda setup: setup.sdk.service_health.get_battery_vendors(
        http_headers=setup.build_headers()
    ),
    "service_health.get_hvac_vendors": lambda setup: setup.sdk.service_health.get_hvac_vendors(
        http_headers=setup.build_headers()
    ),
    "service_health.get_inverter_vendors": lambda setup: setup.sdk.service_health.get_inverter_vendors(
        http_headers=setup.build_headers()
    ),
    "service_health.get_meter_vendors": lambda setup: setup.sdk.service_health.get_meter_vendors(
        http_headers=setup.build_headers()
    ),
    # Assets that are not simulated: their lists are empty.
    "batteries.list": lambda setup: setup.sdk.batteries.list(),
    "batteries.list_user_batteries": lambda setup: setup.sdk.batteries.list_user_batteries(user_id="u1"),
    "chargers.list": lambda setup: setup.sdk.chargers.list(),
    "chargers.list_for_user": lambda setup: setup.sdk.chargers.list_for_user(user_id="u1"),
    "hvac.list": lambda setup: setup.sdk.hvac.list(),
    "hvac.list_user_hva_cs": lambda setup: setup.sdk.hvac.list_user_hva_cs(user_id="u1"),
    "solar_inverters.list_inverters": lambda setup: setup.sdk.solar_inverters.list_inverters(),
    "solar_inverters.list_user_inverters": lambda setup: setup.sdk.solar_inverters.list_user_inverters(user_id="u1"),
    "meters.list": lambda setup: setup.sdk.meters.list(),
    "meters.get_by_user": lambda setup: setup.sdk.meters.get_by_user(user_id="u1"),
    "hems.list": lambda setup: setup.sdk.hems.list(),
    "schedules.get_by_user": lambda setup: setup.sdk.schedules.get_by_user(user_id="u1"),
    "tariffs.create": lambda setup: setup.sdk.tariffs.create(tariff_id="day", request_body=[]),
    "tariffs.get_by_location": lambda setup: setup.sdk.tariffs.get_by_location(location_id=setup.location_id),
}

# Operations on assets that do not exist return 404.
NOT_FOUND: dict[str, dict[str, Any]] = {
    "batteries.get": {"battery_id": UNKNOWN_ID},
    "batteries.get_action": {"action_id": UNKNOWN_ID},
    "batteries.cancel_action": {"action_id": UNKNOWN_ID},
    "batteries.refresh_data": {"battery_id": UNKNOWN_ID},
    "batteries.set_operation_mode": {"battery_id": UNKNOWN_ID, "operation_mode": "SELF_RELIANCE"},
    "chargers.get": {"charger_id": UNKNOWN_ID},
    "chargers.update": {"charger_id": UNKNOWN_ID, "location_id": None},
    "chargers.control_charging": {"charger_id": UNKNOWN_ID, "action": models.ChargingAction.START},
    "chargers.set_max_current": {"charger_id": UNKNOWN_ID, "max_current": 8},
    "chargers.get_action": {"action_id": UNKNOWN_ID},
    "chargers.cancel_action": {"action_id": UNKNOWN_ID},
    "chargers.refresh_data": {"charger_id": UNKNOWN_ID},
    "hvac.update": {"hvac_id": UNKNOWN_ID, "location_id": None},
    "hvac.get_action": {"action_id": UNKNOWN_ID},
    "hvac.cancel_hvac_action": {"action_id": UNKNOWN_ID},
    "hvacs.get": {"hvac_id": UNKNOWN_ID},
    "hvacs.refresh_hint": {"hvac_id": UNKNOWN_ID},
    "hvacs.set_follow_schedule": {"hvac_id": UNKNOWN_ID},
    "hvacs.set_permanent_hold": {"hvac_id": UNKNOWN_ID, "hvac_set_permanent_hold_payload": {"mode": "OFF"}},
    "solar_inverters.get_inverter": {"inverter_id": UNKNOWN_ID},
    "solar_inverters.get_statistics": {"inverter_id": UNKNOWN_ID, "year": 2026, "month": 1},
    "solar_inverters.refresh_hint": {"inverter_id": UNKNOWN_ID},
    "meters.get_meter": {"meter_id": UNKNOWN_ID},
    "meters.refresh_hint": {"meter_id": UNKNOWN_ID},
    "hem_systems.get_hems_status": {"hem_system": UNKNOWN_ID},
    "hem_systems.get_hems_statistics": {"hem_system": UNKNOWN_ID},
    "schedules.get": {"schedule_id": UNKNOWN_ID},
    "schedules.update": {"schedule_id": UNKNOWN_ID, "partial_schedule": {"is_enabled": False}},
    "schedules.delete": {"schedule_id": UNKNOWN_ID},
    "schedules.get_status": {"schedule_id": UNKNOWN_ID},
    "tariffs.get": {"tariff_id": "night"},
    "tariffs.link_to_location": {"location_id": UNKNOWN_ID, "tariff_id": "night", "tariff_intervals": []},
}

# Operations that are not simulated return 501.
REFUSED: dict[str, dict[str, Any]] = {
    "schedules.create": {
        "user_id": "u1",
        "schedule": models.ChargeSchedule(
            target_id=UNKNOWN_ID,
            target_type=models.ChargeScheduleTargetType.VEHICLE,
            location_id=None,
            is_enabled=True,
            default_should_charge=True,
            rules=[],
        ),
    },
    "statistics.get_charging": {"user_id": "u1", "start_date": START_DATE, "type_": "vehicle"},
    "statistics.get_charging_sessions": {"user_id": "u1", "start_date": START_DATE, "type_": "vehicle"},
}


@pytest.mark.parametrize("operation", ANSWERED)
def test_sdk_parses_the_response(setup: Setup, operation: str):
    answer = ANSWERED[operation](setup)
    chapter, name = operation.split(".")
    if get_return_annotation(chapter, name) is not inspect.Signature.empty:
        # The SDK raises an error for a response that it can't parse.
        assert all(isinstance(item, BaseModel) for item in (answer if isinstance(answer, list) else [answer]))


@pytest.mark.parametrize(
    ("operation", "status", "title"),
    [(operation, 404, "Not Found") for operation in NOT_FOUND]
    + [(operation, 501, "Not simulated") for operation in REFUSED],
)
def test_sdk_gets_an_error_for_what_is_not_simulated(setup: Setup, operation: str, status: int, title: str):
    chapter, name = operation.split(".")
    with pytest.raises(EnodeError) as caught:
        getattr(getattr(setup.sdk, chapter), name)(**(NOT_FOUND | REFUSED)[operation])
    assert (caught.value.status_code, json.loads(caught.value.body)["title"]) == (status, title)


def test_sdk_parses_error_responses(setup: Setup):
    setup.simulator.advance_time(2000)  # finish pending actions
    setup.simulator.change_car(setup.car, activity="stop")
    with pytest.raises(ProblemError) as refused:
        setup.sdk.vehicles.control_charging(vehicle_id=setup.car, action=models.ChargingAction.STOP)
    assert refused.value.data.type.endswith("/bad-request")
    ended = setup.sdk.vehicles.cancel_action(action_id=setup.start_action())
    with pytest.raises(ChargeActionError) as over:
        setup.sdk.vehicles.cancel_action(action_id=ended.id)
    assert over.value.data.state == models.ActionState.CANCELLED


def test_every_sdk_operation_is_covered():
    operations = {
        f"{chapter}.{name}"
        for chapter, (module, kind) in Enode._sub_sdk_map.items()
        for name, _ in inspect.getmembers(getattr(importlib.import_module(module), kind), inspect.isfunction)
        if not name.startswith("_") and not name.endswith("_async") and name != "do_request"
    }
    assert operations == ANSWERED.keys() | NOT_FOUND.keys() | REFUSED.keys()


def get_return_annotation(chapter: str, name: str) -> Any:
    """Return the return annotation of an SDK operation; Signature.empty if there is none."""
    module, kind = Enode._sub_sdk_map[chapter]
    return inspect.signature(getattr(getattr(importlib.import_module(module), kind), name)).return_annotation
