"""Supabase Auth: `open_supabase(SupabaseConfig(…))` yields a `SupabaseClient`. `errors.py` shows its errors."""

from relay.gateways.supabase.admin import IdentityState, ProjectSettings, SupabaseAdmin
from relay.gateways.supabase.auth import LinkKind, Provider, SupabaseAuth
from relay.gateways.supabase.client import SupabaseClient, open_supabase
from relay.gateways.supabase.config import SupabaseConfig
from relay.gateways.supabase.errors import (
    SupabaseError,
    SupabaseKeysRefused,
    SupabaseMailQuotaExhausted,
    SupabaseMisconfigured,
    SupabaseRateLimited,
    SupabaseRefused,
    SupabaseUnavailable,
)
from relay.gateways.supabase.token_verifier import SupabaseUser

__all__ = [
    "IdentityState",
    "LinkKind",
    "ProjectSettings",
    "Provider",
    "SupabaseAdmin",
    "SupabaseAuth",
    "SupabaseClient",
    "SupabaseConfig",
    "SupabaseError",
    "SupabaseKeysRefused",
    "SupabaseMailQuotaExhausted",
    "SupabaseMisconfigured",
    "SupabaseRateLimited",
    "SupabaseRefused",
    "SupabaseUnavailable",
    "SupabaseUser",
    "open_supabase",
]
