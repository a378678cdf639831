"""The operator's view of a Supabase project: its settings, its users, and whether it redirects to the relay."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from relay.gateways.supabase.auth import build_error, build_key_headers
from relay.gateways.supabase.config import SupabaseConfig
from relay.gateways.supabase.errors import SupabaseError, SupabaseRefused, SupabaseUnavailable

type IdentityState = Literal["active", "banned", "deleted"]
"""Whether a user of Supabase can sign in there, was banned, or doesn't exist."""

USERS_PER_PAGE = 200
MAX_PAGES = 5000
"""The listing ends after so many pages, whatever the project answers."""
_NOT_FOUND_CODE = "user_not_found"
# No project has this token. Supabase redirects with an error: to the address if it is allowed, else to its site.
_PROBE = {"token": "pkce_evconduit_doctor", "type": "magiclink"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectSettings:
    """What a project allows, as `GET /settings` reports it."""

    providers: frozenset[str]
    allows_sign_ups: bool
    # New users are confirmed without an email, so an address proves nothing.
    autoconfirms: bool


class SupabaseAdmin:
    """Calls that no user causes. Every call raises SupabaseError and no other error of its own."""

    def __init__(self, config: SupabaseConfig, http: httpx.AsyncClient) -> None:
        self._config = config
        self._http = http

    async def get_settings(self) -> ProjectSettings:
        """Return the project's settings. Needs the anon key."""
        document = await self._get("read the settings", "/settings", key=self._config.anon_key)
        external = document.get("external")
        if not isinstance(external, dict):
            raise SupabaseUnavailable("read the settings", "unexpected response")
        return ProjectSettings(
            providers=frozenset(name for name, is_enabled in external.items() if is_enabled is True),
            allows_sign_ups=document.get("disable_signup") is not True,
            autoconfirms=document.get("mailer_autoconfirm") is True,
        )

    async def count_users(self) -> int:
        """Return the number of users on a page of one. Only the service key may list users."""
        return len(await self._list_page(1, size=1))

    async def list_identity_states(self) -> AsyncIterator[dict[UUID, IdentityState]]:
        """Yield all users page by page. A user may be missed if others are deleted meanwhile: look those up again."""
        for number in range(1, MAX_PAGES + 1):
            users = await self._list_page(number, size=USERS_PER_PAGE)
            yield dict(map(_parse_identity, users))
            if len(users) < USERS_PER_PAGE:
                return

    async def get_identity_state(self, supabase_id: UUID) -> IdentityState:
        """Return the state of one user."""
        operation, path = "read a user", f"/admin/users/{supabase_id}"
        try:
            document = await self._get(operation, path, key=self._config.service_role_key)
        except SupabaseRefused as refused:
            if refused.code == _NOT_FOUND_CODE:
                return "deleted"
            raise
        return _parse_identity(document)[1]

    async def is_redirect_accepted(self, url: str) -> bool:
        """Return whether Supabase redirects people to this URL."""
        try:
            response = await self._http.get(
                f"{self._config.auth_url}/verify",
                params={**_PROBE, "redirect_to": url},
                headers=build_key_headers(self._config.anon_key),
            )
        except httpx.HTTPError as error:
            raise SupabaseUnavailable("check the redirect URL", f"no response ({type(error).__name__})") from None
        if not response.is_redirect:
            raise SupabaseUnavailable("check the redirect URL", f"unexpected response (HTTP {response.status_code})")
        location, wanted = urlsplit(response.headers["location"]), urlsplit(url)
        return (location.scheme, location.netloc, location.path) == (wanted.scheme, wanted.netloc, wanted.path)

    async def _list_page(self, number: int, *, size: int) -> list[Any]:
        key, params = self._config.service_role_key, {"page": number, "per_page": size}
        users = (await self._get("list the users", "/admin/users", key=key, params=params)).get("users")
        if not isinstance(users, list):
            raise SupabaseUnavailable("list the users", "unexpected response")
        return users

    async def _get(
        self, operation: str, path: str, *, key: str, params: Mapping[str, int] | None = None
    ) -> dict[str, Any]:
        try:
            response = await self._http.get(self._config.auth_url + path, params=params, headers=build_key_headers(key))
        except httpx.HTTPError as error:
            raise SupabaseUnavailable(operation, f"no response ({type(error).__name__})") from None
        try:
            document = response.json()
        except ValueError:
            document = None
        if not response.is_success:
            raise _build_response_error(operation, response.status_code, document)
        if not isinstance(document, dict):
            raise SupabaseUnavailable(operation, "unexpected response: not a JSON object")
        return document


def _build_response_error(operation: str, status: int, document: object) -> SupabaseError:
    content: dict[str, Any] = document if isinstance(document, dict) else {}
    code, message = content.get("error_code"), content.get("msg")
    return build_error(
        operation,
        status=status,
        code=code if isinstance(code, str) else None,
        message=message if isinstance(message, str) else "",
    )


def _parse_identity(user: Any) -> tuple[UUID, IdentityState]:
    """Return the id of a user and their state. Raises SupabaseUnavailable if the record has another form."""
    try:
        supabase_id = UUID(user["id"])
        banned_until = user.get("banned_until")
        is_banned = bool(banned_until) and _parse_time(banned_until) > datetime.now(UTC)
        is_deleted = bool(user.get("deleted_at"))
    except AttributeError, KeyError, TypeError, ValueError:
        raise SupabaseUnavailable("read a user", "unexpected response: not a user") from None
    if is_deleted:
        return supabase_id, "deleted"
    return supabase_id, "banned" if is_banned else "active"


def _parse_time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
