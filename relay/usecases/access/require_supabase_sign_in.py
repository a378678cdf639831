"""Check that users of this relay sign in with Supabase."""

from relay.kit.problems import Problem
from relay.usecases.calls.runtime import Runtime, SupabaseSignIn


def require_supabase_sign_in(runtime: Runtime) -> SupabaseSignIn:
    """Sign-in settings and client for Supabase. Raises Problem 404 on a self-hosted relay, which has no such pages."""
    if runtime.supabase_sign_in is None:
        raise Problem(404, "not-found", "This relay is self-hosted. Its owner signs in with a one-time link.")
    return runtime.supabase_sign_in
