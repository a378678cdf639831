"""The relay's client for the Supabase Auth double."""

import pytest

from relay.gateways.supabase import SupabaseConfig, open_supabase
from tests.relay.support.supabase.double import ANON, SECRET


@pytest.fixture
async def client(supabase):
    config = SupabaseConfig(url=supabase.url, anon_key=ANON, service_role_key=SECRET)
    async with open_supabase(config) as opened:
        yield opened
