"""Link sessions, users, their vendor accounts, and the vehicles in those accounts."""

import base64
import hashlib
import secrets
import time
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from demo.enode import events
from demo.enode.catalogue import MODELS, VENDORS, Model
from demo.enode.daily_routine import DAILY_ROUTINE, Stage
from demo.enode.physics import CarState, with_battery_percent
from demo.enode.problems import bad_request
from demo.enode.simulator import Simulator
from demo.enode.vehicle_view import POLICY, build_discovered_vehicle
from demo.enode.world import Car, Link, LinkSession, User, Vehicle

SESSION_SECONDS = 24 * 3600
VIN_ALPHABET = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
VIN_LENGTH = 17

Language = Literal[
    "browser",
    "da-DK",
    "de-DE",
    "en-US",
    "en-GB",
    "es-ES",
    "fi-FI",
    "fr-FR",
    "it-IT",
    "ja-JP",
    "lv-LV",
    "lt-LT",
    "nb-NO",
    "nl-NL",
    "nl-BE",
    "pl-PL",
    "pt-PT",
    "ro-RO",
    "sv-SE",
]
Scope = Literal[
    "vehicle:read:data",
    "vehicle:read:location",
    "vehicle:control:charging",
    "charger:read:data",
    "charger:control:charging",
    "hvac:read:data",
    "hvac:control:mode",
    "inverter:read:data",
    "inverter:read:location",
    "battery:read:data",
    "battery:read:location",
    "battery:control:operation_mode",
    "meter:read:data",
    "meter:read:location",
]
VendorType = Literal["vehicle", "charger", "hvac", "inverter", "battery", "meter"]


class RelinkBody(BaseModel):
    """Body of POST /assets/{id}/relink."""

    model_config = ConfigDict(extra="forbid", strict=True)

    language: Language
    redirect_uri: str = Field(alias="redirectUri", max_length=500, pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:\S+$")
    color_scheme: Literal["system", "light", "dark"] = Field(alias="colorScheme", default="system")

    @field_validator("redirect_uri")
    @classmethod
    def _check_redirect_uri(cls, uri: str) -> str:
        if uri == "about:blank":
            raise ValueError("must not be about:blank")
        return uri


class LinkBody(RelinkBody):
    """Body of POST /users/{id}/link. Only vehicle vendors are simulated; others are refused."""

    scopes: list[Scope] = Field(min_length=1)
    vendor: str | None = None
    vendor_type: VendorType | None = Field(alias="vendorType", default=None)

    @field_validator("scopes")
    @classmethod
    def _require_read_scopes(cls, scopes: list[Scope]) -> list[Scope]:
        for asset in {scope.partition(":")[0] for scope in scopes}:
            if f"{asset}:read:data" not in scopes:
                raise ValueError(f"must contain {asset}:read:data")
        return scopes

    @field_validator("vendor")
    @classmethod
    def _check_vendor(cls, vendor: str | None) -> str | None:
        if vendor is not None and vendor not in VENDORS:
            raise ValueError(f"must be among {', '.join(VENDORS)}")
        return vendor


def create_link_session(sim: Simulator, user_id: str, body: LinkBody) -> LinkSession:
    """Create a link session, and the user if necessary. SIM: only vehicle scopes have an effect."""
    if user_id not in sim.world.users:
        sim.world.users[user_id] = User(id=user_id, created_at=sim.clock.next_timestamp())
    return _store_session(
        sim,
        LinkSession(
            token=_create_link_token(sim),
            user_id=user_id,
            scopes=tuple(sorted(set(body.scopes))),
            redirect_uri=body.redirect_uri,
            color_scheme=body.color_scheme,
            expires_at=time.time() + SESSION_SECONDS,
            vendor=body.vendor,
        ),
    )


def create_relink_session(sim: Simulator, asset_id: str, body: RelinkBody) -> LinkSession:
    """Create a session to sign in again. Raises the 400 for an unknown asset or a valid sign-in."""
    vehicle = sim.world.vehicles.get(asset_id)
    if vehicle is None:
        raise bad_request(f"Could not find asset {asset_id}")
    if sim.is_sign_in_valid(vehicle):
        raise bad_request("The asset is already linked.")
    return _store_session(
        sim,
        LinkSession(
            token=_create_link_token(sim),
            user_id=vehicle.user_id,
            scopes=vehicle.scopes,
            redirect_uri=body.redirect_uri,
            color_scheme=body.color_scheme,
            expires_at=time.time() + SESSION_SECONDS,
            vendor=vehicle.vendor,
            consented=True,
            relinks=True,
        ),
    )


def find_link_session(sim: Simulator, token: str) -> LinkSession | None:
    """Find a session that has not expired."""
    session = sim.world.sessions.get(token)
    return session if session is not None and session.expires_at > time.time() else None


def list_linkable_models(sim: Simulator, session: LinkSession) -> list[tuple[Model, bool]]:
    """List the cars in a session's vendor account, and whether each is already linked."""
    linked = {vehicle.car_key for vehicle in sim.world.vehicles.values()}
    return [
        (model, build_car_key(session.user_id, model.key) in linked)
        for model in MODELS.values()
        if model.vendor == session.vendor
    ]


def complete_link_session(sim: Simulator, session: LinkSession, model_keys: list[str]) -> None:
    """Link the session's account and the chosen cars, and delete the session."""
    if session.vendor is None:
        raise ValueError("the session has no vendor")
    del sim.world.sessions[session.token]
    user = sim.world.users.get(session.user_id) or User(id=session.user_id, created_at=sim.clock.next_timestamp())
    links = {**user.links, session.vendor: Link(vendor=session.vendor)}
    sim.world.users[user.id] = replace(user, links=links, authorized=True)
    for vehicle in list_vehicles_of_user(sim, user.id, session.vendor):
        next_poll = sim.clock.seconds + sim.delays.first_poll
        sim.world.vehicles[vehicle.id] = replace(vehicle, scopes=session.scopes, next_look=next_poll)
    linked_keys = {vehicle.car_key for vehicle in sim.world.vehicles.values()}
    for key in model_keys:
        if build_car_key(user.id, key) not in linked_keys:
            _link_vehicle(sim, session, MODELS[key])


def unlink_vendor(sim: Simulator, user_id: str, vendor: str, *, send_events: bool) -> None:
    """Unlink a user's vendor account and its vehicles. SIM: `deleted` events are published only if `send_events`."""
    for vehicle in list_vehicles_of_user(sim, user_id, vendor):
        removed = sim.world.vehicles.pop(vehicle.id)
        if send_events:
            sim.publish_for_user(user_id, events.vehicle_deleted(sim.clock.next_timestamp(), removed.shown))
    user = sim.world.users[user_id]
    links = {name: link for name, link in user.links.items() if name != vendor}
    sim.world.users[user_id] = replace(user, links=links)


def unlink_vehicle(sim: Simulator, vehicle: Vehicle) -> None:
    """Unlink a vehicle that is no longer in its vendor's account."""
    del sim.world.vehicles[vehicle.id]
    sim.publish_for_user(vehicle.user_id, events.vehicle_deleted(sim.clock.next_timestamp(), vehicle.shown))


def invalidate_sign_in(sim: Simulator, user_id: str, vendor: str) -> None:
    """Mark a sign-in as rejected by the vendor: its vehicles stay, with an intervention and without updates."""
    _set_validity(sim, user_id, vendor, is_valid=False)
    sim.publish_for_user(user_id, events.credentials_invalidated(sim.clock.next_timestamp(), user_id, vendor))


def restore_sign_in(sim: Simulator, user_id: str, vendor: str) -> None:
    """Mark a sign-in as accepted by the vendor."""
    _set_validity(sim, user_id, vendor, is_valid=True)


def list_vehicles_of_user(sim: Simulator, user_id: str, vendor: str | None = None) -> list[Vehicle]:
    """List a user's vehicles, of one vendor or of all."""
    return [
        vehicle
        for vehicle in sim.world.vehicles.values()
        if vehicle.user_id == user_id and (vendor is None or vehicle.vendor == vendor)
    ]


def build_car_key(user_id: str, model_key: str) -> str:
    """Build the key of a physical car. Each user has one car of each model."""
    return f"{model_key} of {user_id}"


def _set_validity(sim: Simulator, user_id: str, vendor: str, *, is_valid: bool) -> None:
    user = sim.world.users[user_id]
    links = {**user.links, vendor: Link(vendor=vendor, is_valid=is_valid)}
    sim.world.users[user_id] = replace(user, links=links)
    for vehicle in list_vehicles_of_user(sim, user_id, vendor):
        sim.world.vehicles[vehicle.id] = replace(vehicle, next_look=sim.clock.seconds)


def _link_vehicle(sim: Simulator, session: LinkSession, model: Model) -> None:
    key = build_car_key(session.user_id, model.key)
    car = sim.world.cars.setdefault(key, _create_car(sim.world.seed, key, model))
    now = sim.clock.next_timestamp()
    vehicle = Vehicle(
        id=sim.world.new_id(),
        user_id=session.user_id,
        vendor=model.vendor,
        car_key=key,
        scopes=session.scopes,
        linked_at=now,
        shown={},
        next_look=sim.clock.seconds + sim.delays.first_poll,
        policy=dict(POLICY),
        smart_changed_at=now,
    )
    vehicle = replace(vehicle, shown=build_discovered_vehicle(car, vehicle))
    sim.world.vehicles[vehicle.id] = vehicle
    sim.publish_for_user(vehicle.user_id, events.vehicle_discovered(sim.clock.next_timestamp(), vehicle.shown))


def _create_car(seed: int, key: str, model: Model) -> Car:
    spec = model.spec
    state = CarState(
        energy_kwh=0, odometer_km=model.odometer_km, limit_percent=model.charge_limit, max_current=spec.amps
    )
    begin = DAILY_ROUTINE[Stage.OUTBOUND].begin
    return Car(
        key=key,
        model_key=model.key,
        vin=_build_vin(f"{seed}/{key}", model.vin_prefix),
        state=begin(spec, with_battery_percent(spec, state, model.initial_battery_percent)),
        stage=Stage.OUTBOUND,
    )


def _build_vin(seed: str, prefix: str) -> str:
    digest = hashlib.sha256(seed.encode()).digest()
    return prefix + "".join(VIN_ALPHABET[byte % len(VIN_ALPHABET)] for byte in digest[: VIN_LENGTH - len(prefix)])


def _create_link_token(sim: Simulator) -> str:
    parts = f"{sim.world.new_id()}@{sim.world.new_id()}:{secrets.token_hex(32)}"
    return base64.urlsafe_b64encode(parts.encode()).decode().rstrip("=")


def _store_session(sim: Simulator, session: LinkSession) -> LinkSession:
    now = time.time()
    for token in [expired.token for expired in sim.world.sessions.values() if expired.expires_at <= now]:
        del sim.world.sessions[token]
    sim.world.sessions[session.token] = session
    return session
