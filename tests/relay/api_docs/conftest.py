"""The account that the examples of docs/api.md use: Ada, with a vehicle and one of each thing that can be requested."""

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
from tests.relay.support.serving import serve_relay

KEY = "evc_" + "Z" * 43
USER_ID = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
SUPABASE_ID = UUID("b7d5d8f2-3c59-4f4e-9d5a-5f1d3f0c2a11")
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJiN2Q1ZDhmMiJ9.c2lnbmF0dXJl"
VEHICLE_ID = UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7")
COMMAND_ID = UUID("3fa85f64-5717-4562-b3fc-2c963f66afa6")
FORMER_ENODE_ID = "5d7c1e0a-4f1b-4f0e-9a53-0c8f2b6d1e44"
LINK_ID = UUID("5d8f7c0e-9a4b-4a53-8f0e-2b1c6d9e7a10")
SESSION_ID = UUID("9b2c1f7e-64a8-4b0e-8f83-0d5a1c6e2b47")

CREATE_ACCOUNT = """
insert into users (id, email, name, supabase_id) values (%(user)s, 'ada@example.org', 'Ada', %(supabase_id)s);
insert into feeds (user_id, seq) values (%(user)s, 7);
insert into api_keys (user_id, name, key_hash, prefix) values (%(user)s, 'Home', %(key_hash)s, 'evc_ZZZZ');
insert into usage_months (user_id, period, used) select id, quota_anchor, 41 from users;
insert into usage_days (user_id, period, day, endpoint, credential_id, calls)
select u.id, u.quota_anchor, current_date, 'v2/vehicles', k.id, 41 from users u join api_keys k on k.user_id = u.id;
insert into vehicles (id, user_id, vendor, vehicle_cache, revision)
values (%(vehicle_id)s, %(user)s, 'TESLA', %(vehicle)s, 7);
insert into vehicle_links (enode_vehicle_id, vehicle_id) values (%(enode_id)s, %(vehicle_id)s);
insert into vehicle_links (enode_vehicle_id, vehicle_id, linked_at, ended_at)
values (%(former_id)s, %(vehicle_id)s, now() - interval '9 days', now() - interval '1 day');
insert into commands (id, user_id, vehicle_id, kind, state, settled_at)
values (%(command)s, %(user)s, %(vehicle_id)s, 'STOP', 'confirmed', now());
insert into charging_sessions (id, vehicle_id, started_at, ended_at, open, energy_kwh, energy_source, soc_start,
    soc_end, peak_kw, at_home, latitude, longitude, odometer_km, cost_per_kwh, currency)
values (%(session)s, %(vehicle_id)s, now() - interval '9 h', now() - interval '5 h', false, 28.4, 'power', 31, 79,
    7.2, true, 52.09, 5.12, 48213, 0.31, 'EUR');
insert into link_pages (id, user_id, token_hash, vendor, expires_at)
values (%(link)s, %(user)s, sha256('a token'), 'TESLA', now() + interval '1 day');
insert into vehicle_energy (vehicle_id, tail, lifetime_kwh, home_kwh) values (%(vehicle_id)s, '{}', 312.5, 280.1);
insert into charging_hours (vehicle_id, hour, kwh, home_kwh, discharged_kwh, cost, currency)
values (%(vehicle_id)s, date_trunc('hour', now()) - interval '6 h', 7.1, 7.1, 0, 2.2, 'EUR');
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
def run_enode_with_vehicle():
    """An Enode simulator with Ada's vehicle, plugged in."""
    with run_signed_in_simulator() as simulator:
        simulator.car_id = simulator.link_car(user=str(USER_ID))
        simulator.change_car(simulator.car_id, activity="plug_in")
        yield simulator


@pytest.fixture(scope="module")
def enode():
    """One simulator for all examples."""
    with run_enode_with_vehicle() as simulator:
        yield simulator


@pytest.fixture
async def account(pool, enode):
    """Ada's account, created again for each example."""
    vehicle = await asyncio.to_thread(enode.get_vehicle, enode.car_id)
    values = {
        "user": USER_ID,
        "supabase_id": SUPABASE_ID,
        "key_hash": hash_secret(KEY),
        "refresh_hash": hash_secret("evr_" + "Y" * 43),
        "vehicle_id": VEHICLE_ID,
        "vehicle": Jsonb(vehicle),
        "enode_id": enode.car_id,
        "former_id": FORMER_ENODE_ID,
        "command": COMMAND_ID,
        "session": SESSION_ID,
        "link": LINK_ID,
    }
    async with pool.connection() as connection, connection.transaction():
        for statement in CREATE_ACCOUNT.split(";")[:-1]:
            await connection.execute(statement, values)


@pytest.fixture
async def app(database_url, tmp_path, enode):
    """A relay without a worker, so that the account doesn't change during an example."""
    settings = Settings(
        data=tmp_path,
        database_url=database_url,
        secret_key="k" * 32,
        **enode.relay_settings(),
        enode_webhook_secret="the-secret-of-the-subscription",
        internal_api_key="an-internal-key-of-yours",
    )
    return create_app(settings, database_url, with_worker=False)


async def resolve_to_loopback(_host: str, _port: int):
    """Resolve every name to this machine, where no program listens."""
    return [ip_address("127.0.0.1")]


async def verify_fixed_token(token: str):
    """Accept only the JWT of the examples. tests/relay/gateways/supabase tests real tokens."""
    return SUPABASE_ID if token == JWT else None


@pytest.fixture
async def api(app, account):
    async with serve_relay(app) as url, open_test_outbound(resolve=resolve_to_loopback) as outbound:
        app.state.runtime = replace(
            app.state.runtime, outbound=outbound, plans=CLOUD, verify_supabase_token=verify_fixed_token
        )
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"}) as client:
            yield client
