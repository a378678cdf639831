"""The errors of Supabase Auth's client, divided by what the caller can do about them.

    SupabaseError
    ├── SupabaseUnavailable         no response, a failure of the server, an unexpected response: retry later
    ├── SupabaseRateLimited         too many requests, also a second email to one address within a minute
    │   └── SupabaseMailQuotaExhausted  the project may send no more emails this hour: alert the operator
    ├── SupabaseRefused             the link, code or request is invalid or expired; `code` is Supabase's error code
    └── SupabaseMisconfigured       the project or our settings are wrong; `cause` tells the operator what to change
        └── SupabaseKeysRefused     our keys are wrong, or another project's

An error's text names the operation but never its parameters: no address, code, link or token.
"""
# ruff: noqa: N818  # `except SupabaseRefused` reads well without the suffix "Error"

import re

_CODE = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)


class SupabaseError(Exception):
    """A call to Supabase Auth failed. `operation` says which, such as `send a link`."""

    def __init__(self, operation: str, message: str) -> None:
        self.operation = operation
        super().__init__(f"Supabase, {operation}: {message}")


class SupabaseUnavailable(SupabaseError):
    """Supabase did not respond properly, so the outcome is unknown."""


class SupabaseRateLimited(SupabaseError):
    """Too many requests; nothing was done."""


class SupabaseMailQuotaExhausted(SupabaseRateLimited):
    """The project has sent as many emails as it may in an hour, to whichever addresses."""


class SupabaseMisconfigured(SupabaseError):
    """Sign-in can't work until the operator changes something. `cause` says what, and is safe to log."""

    def __init__(self, operation: str, cause: str) -> None:
        self.cause = cause
        super().__init__(operation, cause)


class SupabaseKeysRefused(SupabaseMisconfigured):
    """Supabase does not accept our keys."""


class SupabaseRefused(SupabaseError):
    """Supabase understood the request and refused it. `code` is safe to log."""

    def __init__(self, operation: str, *, status: int, code: str | None) -> None:
        self.code = code if code and _CODE.fullmatch(code) else "unknown"
        super().__init__(operation, f"refused (HTTP {status}, {self.code})")
