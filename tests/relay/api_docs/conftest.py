"""The world that the manual's examples are about: Ada, her car, and what there is to ask after."""

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address
from uuid import UUID

import httpx
import pytest
from psycopg.types.json import Jsonb

from relay.app import create_app
from relay.identity.credentials import hash_secret
from relay.settings import Settings
from tests.demo.enode.running_simulator import run_signed_in_simulator
from tests.relay.support.endpoints import open_test_outbound
from tests.relay.support.plans import CLOUD
from tests.relay.support.serving import serving

KEY = "evc_" + "Z" * 43
USER = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
PERSON = UUID("b7d5d8f2-3c59-4f4e-9d5a-5f1d3f0c2a11")
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJiN2Q1ZDhmMiJ9.c2lnbmF0dXJl"
CAR = UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7")
COMMAND = UUID("3fa85f64-5717-4562-b3fc-2c963f66afa6")
LINK = UUID("5d8f7c0e-9a4b-4a53-8f0e-2b1c6d9e7a10")
SESSION = UUID("9b2c1f7e-64a8-4b0e-8f83-0d5a1c6e2b47")

WORLD = """
insert into users (id, email, name, supabase_id) values (%(user)s, 'ada@example.org', 'Ada', %(person)s);
insert into feeds (user_id, seq) values (%(user)s, 7);
insert into api_keys (user_id, name, key_hash, prefix) values (%(user)s, 'Home', %(key_hash)s, 'evc_ZZZZ');
insert into usage_months (user_id, period, used) select id, quota_anchor, 41 from users;
insert into usage_days (user_id, period, day, endpoint, credential_id, calls)
select u.id, u.quota_anchor, current_date, 'v2/vehicles', k.id, 41 from users u join api_keys k on k.user_id = u.id;
insert into vehicles (id, user_id, vendor, vehicle_cache, revision) values (%(car)s, %(user)s, 'TESLA', %(vehicle)s, 7);
insert into vehicle_links (enode_vehicle_id, vehicle_id) values (%(enode_id)s, %(car)s);
insert into commands (id, user_id, vehicle_id, kind, state, settled_at)
values (%(command)s, %(user)s, %(car)s, 'STOP', 'confirmed', now());
insert into charging_sessions (id, vehicle_id, started_at, ended_at, open, energy_kwh, energy_source, soc_start,
    soc_end, peak_kw, at_home, latitude, longitude, odometer_km, cost_per_kwh, currency)
values (%(session)s, %(car)s, now() - interval '9 h', now() - interval '5 h', false, 28.4, 'power', 31, 79, 7.2, true,
    52.09, 5.12, 48213, 0.31, 'EUR');
insert into link_pages (id, user_id, token_hash, vendor, expires_at)
values (%(link)s, %(user)s, sha256('a token'), 'TESLA', now() + interval '1 day');
insert into vehicle_energy (vehicle_id, tail, lifetime_kwh, home_kwh) values (%(car)s, '{}', 312.5, 280.1);
insert into home_places (user_id, latitude, longitude, radius_m) values (%(user)s, 52.09, 5.12, 500);
insert into electricity_rates (user_id, cost_per_kwh, currency) values (%(user)s, 0.31, 'EUR');
insert into endpoints (user_id, credential_id, kind, url)
select %(user)s, id, 'v2', 'https://home.example.org/api/webhook/9f86d081884c7d65' from api_keys;
insert into endpoints (user_id, credential_id, kind, url, webhook_id)
select %(user)s, id, 'classic', 'https://home.example.org/api/webhook/01JD3W4Q9G', '01JD3W4Q9G' from api_keys;
insert into oauth_grants (user_id, client_id, name, scopes, redirect_uri)
values (%(user)s, 'home-assistant', 'Home', '{read,control}', 'https://my.home-assistant.io/redirect/oauth');
insert into oauth_tokens (grant_id, access_hash, refresh_hash, access_expires_at)
select id, sha256('eva_'), %(refresh_hash)s, now() + interval '30 minutes' from oauth_grants;
"""


@contextmanager
def enode_with_a_car():
    """A simulator with Ada's car in it, plugged in."""
    with run_signed_in_simulator() as simulator:
        car = simulator.link_car(user=str(USER))
        simulator.change_car(car, activity="plug_in")
        simulator.car_id = car
        yield simulator


@pytest.fixture(scope="module")
def enode():
    """One for all examples."""
    with enode_with_a_car() as simulator:
        yield simulator


@pytest.fixture
async def world(pool, enode):
    """Ada, as each example finds her."""
    vehicle = await asyncio.to_thread(enode.get_vehicle, enode.car_id)
    named = {
        "user": USER,
        "person": PERSON,
        "key_hash": hash_secret(KEY),
        "refresh_hash": hash_secret("evr_" + "Y" * 43),
        "car": CAR,
        "vehicle": Jsonb(vehicle),
        "enode_id": enode.car_id,
        "command": COMMAND,
        "session": SESSION,
        "link": LINK,
    }
    async with pool.connection() as connection, connection.transaction():
        for statement in WORLD.split(";")[:-1]:
            await connection.execute(statement, named)


@pytest.fixture
async def app(database_url, tmp_path, enode):
    """A relay that serves; nobody works, so that the world stays as it is told."""
    settings = Settings(
        data=tmp_path,
        database_url=database_url,
        secret_key="k" * 32,
        **enode.relay_settings(),
        enode_webhook_secret="the-secret-of-the-subscription",
        internal_api_key="an-internal-key-of-yours",
    )
    return create_app(settings, database_url, with_worker=False)


async def nobody_home(_host: str, _port: int):
    """Every name leads to this machine, where nobody listens."""
    return [ip_address("127.0.0.1")]


async def verify_person(token: str):
    """Supabase's keys are not at hand; whom a real token proves is tested where they are."""
    return PERSON if token == JWT else None


@pytest.fixture
async def api(app, world):
    async with serving(app) as url, open_test_outbound(resolve=nobody_home) as outbound:
        app.state.runtime = replace(
            app.state.runtime, outbound=outbound, plans=CLOUD, verify_supabase_token=verify_person
        )
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"}) as client:
            yield client
