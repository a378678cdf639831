"""The screenshots of docs/pages.md: for each, its page, who is signed in, and how to reach what it shows."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from tests.architecture.tree import ROOT
from tests.relay.browser.household import CONSENT

FOLDER: Path = ROOT / "docs" / "images" / "pages"
SCHEMES = ("light", "dark")


async def open_path(window: Page, path: str) -> None:
    """Open the page."""
    await window.goto(path)


async def create_key(window: Page, path: str) -> None:
    """Create a key: the page that shows it appears only after that."""
    await window.goto("/keys")
    await window.get_by_label("Name").fill("Terminal")
    await window.get_by_role("button", name="Create key").click()
    await window.wait_for_url(f"**{path}")


async def open_reference(window: Page, path: str) -> None:
    """Open the API reference, and one of its operations."""
    await window.goto(path)
    await window.get_by_role("button", name="Start or stop charging").first.click()
    await window.get_by_role("button", name="Try it out").wait_for()


async def request_link(window: Page, path: str) -> None:
    """Submit the sign-in form."""
    await window.goto(path)
    await window.get_by_label("Email address").fill("kim@example.org")
    await window.get_by_role("button", name="Send link").click()
    await window.get_by_role("heading", name="Check your email").wait_for()


@dataclass(frozen=True, kw_only=True, slots=True)
class Screenshot:
    """One page to photograph. `user`: who is signed in (household, newcomer, or None); `reach` opens the page.

    `part` selects the element to photograph if the page is long.
    """

    template: str
    path: str
    user: str | None = None
    reach: Callable[[Page, str], Awaitable[None]] = open_path
    part: str | None = None


def _screenshot(template: str, path: str, **options: Any) -> Screenshot:
    return Screenshot(template=f"{template}.html", path=path, **options)


HOUSEHOLD = {"user": "household"}

SELF_HOSTED: Mapping[str, Screenshot] = {
    "landing": _screenshot("landing", "/"),
    "sign-in": _screenshot("sign_in", "/sign-in"),
    "sign-in-link": _screenshot("sign_in_link", "/sign-in/link/{login}"),
    "home": _screenshot("home", "/home", **HOUSEHOLD),
    "home-empty": _screenshot("home", "/home", user="newcomer"),
    "sessions": _screenshot("charging_sessions", "/charging-sessions", **HOUSEHOLD),
    "session-correct": _screenshot("charging_session_correct", "/charging-sessions/{session}/correct", **HOUSEHOLD),
    "session-delete": _screenshot("charging_session_delete", "/charging-sessions/{session}/delete", **HOUSEHOLD),
    "link-brand": _screenshot("link_brand", "/link", user="newcomer"),
    "link": _screenshot("link", "/link/{link}"),
    "link-callback": _screenshot("link_callback", "/link-callback", **HOUSEHOLD),
    "unlink": _screenshot("unlink", "/vehicles/{car}/unlink", **HOUSEHOLD),
    "choose": _screenshot("choose_cars", "/vehicles/choose", **HOUSEHOLD),
    "installations": _screenshot("installations", "/installations", **HOUSEHOLD),
    "disconnect": _screenshot("installation_disconnect", "/installations/{key}/disconnect", **HOUSEHOLD),
    "keys": _screenshot("keys", "/keys", **HOUSEHOLD),
    "key-revoke": _screenshot("key_revoke", "/keys/{key}/revoke", **HOUSEHOLD),
    "key-made": _screenshot("key_made", "/keys/made", reach=create_key, **HOUSEHOLD),
    "usage": _screenshot("usage", "/usage", **HOUSEHOLD),
    "profile": _screenshot("profile", "/profile", **HOUSEHOLD),
    "delete": _screenshot("profile_delete", "/profile/delete", **HOUSEHOLD),
    "consent": _screenshot("consent", CONSENT, **HOUSEHOLD),
    "api-reference": _screenshot("api_reference", "/api/docs", reach=open_reference, part=".opblock.is-open"),
    "consent-refused": _screenshot("consent_refused", "/oauth/authorize?client_id=other"),
    "problem": _screenshot("problem", "/nowhere"),
}
"""Pages of a self-hosted relay, here with the plan limits of a cloud relay."""

CLOUD: Mapping[str, Screenshot] = {
    "sign-in-people": _screenshot("sign_in_people", "/sign-in"),
    "sign-in-sent": _screenshot("sign_in_sent", "/sign-in", reach=request_link),
    "sign-in-press": _screenshot("sign_in_press", "/auth/callback?token_hash=x&type=email"),
    "sign-in-ended": _screenshot("sign_in_ended", "/auth/callback?error=access_denied&error_code=otp_expired"),
    "register": _screenshot("register", "/register"),
    "terms": _screenshot("terms", "/terms", **HOUSEHOLD),
    "waiting": _screenshot("waiting", "/waiting", user="newcomer"),
}
"""Pages of a cloud relay with registration by invitation and approval by the operator."""

ALL = {**SELF_HOSTED, **CLOUD}


def get_screenshot_path(name: str, scheme: str) -> Path:
    """The file of this screenshot."""
    return FOLDER / f"{name}-{scheme}.png"


@dataclass(frozen=True, kw_only=True, slots=True)
class Gallery:
    """A relay with its screenshots. `path_values`: the ids that fill the paths' placeholders, and the users' ids."""

    screenshots: Mapping[str, Screenshot]
    site: str
    open_window: Callable[..., Awaitable[Page]]
    path_values: Mapping[str, Any]

    async def open_all(self, **options: Any) -> AsyncIterator[tuple[str, Page]]:
        """Yield each screenshot's name and its page.

        Pages that are only opened share a window for each user, because a new window costs a second of CPU time.
        """
        shared_windows: dict[str | None, Page] = {}
        for name, screenshot in self.screenshots.items():
            is_shared = screenshot.reach is open_path
            window = shared_windows.get(screenshot.user) if is_shared else None
            if window is None:
                user = self.path_values[screenshot.user] if screenshot.user else None
                window = await self.open_window(self.site, user, **options)
            if is_shared:
                shared_windows[screenshot.user] = window
            await screenshot.reach(window, screenshot.path.format_map(self.path_values))
            yield name, window
            if not is_shared:
                await window.context.close()
