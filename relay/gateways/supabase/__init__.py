"""Supabase Auth: `open_supabase(SupabaseConfig(…))` gives a `SupabaseClient`. Its errors are drawn in `errors.py`."""

from relay.gateways.supabase.auth import LinkKind, Provider, SupabaseAuth
from relay.gateways.supabase.client import SupabaseClient, open_supabase
from relay.gateways.supabase.config import SupabaseConfig
from relay.gateways.supabase.errors import (
    SupabaseBusy,
    SupabaseError,
    SupabaseKeysRefused,
    SupabaseRefused,
    SupabaseUnavailable,
)
from relay.gateways.supabase.tokens import Person

__all__ = [
    "LinkKind",
    "Person",
    "Provider",
    "SupabaseAuth",
    "SupabaseBusy",
    "SupabaseClient",
    "SupabaseConfig",
    "SupabaseError",
    "SupabaseKeysRefused",
    "SupabaseRefused",
    "SupabaseUnavailable",
    "open_supabase",
]
