"""What can go wrong with Supabase Auth, cut by what the caller can do about it.

    SupabaseError
    ├── SupabaseUnavailable     no answer, a failure of the server's own, an answer that nobody understands; ask later
    ├── SupabaseBusy            asked too often, also for mails to one address
    ├── SupabaseRefused         the link, code or request is no good (any more); `code` is Supabase's own name for it
    └── SupabaseKeysRefused     our keys are wrong, or another project's: tell the operator

The text of an error names what was tried, never what was put into it: no address, code, link or token.
"""
# ruff: noqa: N818  # named by what happened, as Enode's are

import re

_CODE = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)


class SupabaseError(Exception):
    """Anything that went wrong with Supabase Auth. `operation` is what was tried, such as `send a link`."""

    def __init__(self, operation: str, message: str) -> None:
        self.operation = operation
        super().__init__(f"Supabase, {operation}: {message}")


class SupabaseUnavailable(SupabaseError):
    """Nobody knows whether it was done."""


class SupabaseRateLimited(SupabaseError):
    """Asked too often; nothing was done."""


class SupabaseKeysRefused(SupabaseError):
    """Supabase does not accept our keys."""


class SupabaseRefused(SupabaseError):
    """Supabase understood and said no. `code` is safe to log."""

    def __init__(self, operation: str, *, status: int, code: str | None) -> None:
        self.code = code if code and _CODE.fullmatch(code) else "unknown"
        super().__init__(operation, f"refused (HTTP {status}, {self.code})")
