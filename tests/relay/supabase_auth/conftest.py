"""Supabase's stand-in, and the relay's client of it."""

import pytest

from relay.gateways.supabase import SupabaseConfig, open_supabase
from tests.relay.supabase_auth.double import ANON, SECRET, supabase_running


@pytest.fixture
async def supabase():
    async with supabase_running(site="http://relay.example") as double:
        yield double


@pytest.fixture
async def client(supabase):
    async with open_supabase(SupabaseConfig(url=supabase.url, anon_key=ANON, service_role_key=SECRET)) as opened:
        yield opened
