"""The pictures that there are of our pages: a row each, and how one comes to see it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from tests.architecture.tree import ROOT
from tests.relay.browser.household import CONSENT

FOLDER: Path = ROOT / "docs" / "images" / "pages"
SCHEMES = ("light", "dark")


async def look(window: Page, path: str) -> None:
    """Open the page."""
    await window.goto(path)


async def make_key(window: Page, path: str) -> None:
    """A new key is shown once, to who has just made it."""
    await window.goto("/keys")
    await window.get_by_label("Name").fill("Terminal")
    await window.get_by_role("button", name="Create key").click()
    await window.wait_for_url(f"**{path}")


async def ask_for_link(window: Page, path: str) -> None:
    """What the form answers."""
    await window.goto(path)
    await window.get_by_label("E-mail address").fill("kim@example.org")
    await window.get_by_role("button", name="Send me a link").click()
    await window.get_by_role("heading", name="Look into your mail").wait_for()


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """`who` is signed in: one of the household, a newcomer, or nobody. `go` gets the window and the path."""

    template: str
    path: str
    who: str | None = None
    go: Callable[[Page, str], Awaitable[None]] = look


def _of(template: str, path: str, **others: Any) -> Picture:
    return Picture(template=f"{template}.html", path=path, **others)


HOUSEHOLD = {"who": "household"}

OWN: Mapping[str, Picture] = {
    "landing": _of("landing", "/"),
    "sign-in": _of("sign_in", "/sign-in"),
    "sign-in-link": _of("sign_in_link", "/sign-in/link/{login}"),
    "home": _of("home", "/home", **HOUSEHOLD),
    "home-empty": _of("home", "/home", who="newcomer"),
    "link-brand": _of("link_brand", "/link", who="newcomer"),
    "link": _of("link", "/link/{link}"),
    "link-callback": _of("link_callback", "/link-callback", **HOUSEHOLD),
    "unlink": _of("unlink", "/vehicles/{car}/unlink", **HOUSEHOLD),
    "choose": _of("choose_cars", "/vehicles/choose", **HOUSEHOLD),
    "installations": _of("installations", "/installations", **HOUSEHOLD),
    "disconnect": _of("installation_disconnect", "/installations/{key}/disconnect", **HOUSEHOLD),
    "keys": _of("keys", "/keys", **HOUSEHOLD),
    "key-revoke": _of("key_revoke", "/keys/{key}/revoke", **HOUSEHOLD),
    "key-made": _of("key_made", "/keys/made", go=make_key, **HOUSEHOLD),
    "usage": _of("usage", "/usage", **HOUSEHOLD),
    "profile": _of("profile", "/profile", **HOUSEHOLD),
    "delete": _of("profile_delete", "/profile/delete", **HOUSEHOLD),
    "consent": _of("consent", CONSENT, **HOUSEHOLD),
    "consent-refused": _of("consent_refused", "/oauth/authorize?client_id=other"),
    "problem": _of("problem", "/nowhere"),
}
"""On a relay of one's own, which has the limits of the cloud's plans here."""

CLOUD: Mapping[str, Picture] = {
    "sign-in-people": _of("sign_in_people", "/sign-in"),
    "sign-in-sent": _of("sign_in_sent", "/sign-in", go=ask_for_link),
    "sign-in-press": _of("sign_in_press", "/auth/callback?token_hash=x&type=email"),
    "sign-in-ended": _of("sign_in_ended", "/auth/callback?error=access_denied&error_code=otp_expired"),
    "register": _of("register", "/register"),
    "terms": _of("terms", "/terms", **HOUSEHOLD),
    "waiting": _of("waiting", "/waiting", who="newcomer"),
}
"""Where many people are, let in by invitation and by the operator's word."""

ALL = {**OWN, **CLOUD}


def file_of(name: str, scheme: str) -> Path:
    """Where this picture lies."""
    return FOLDER / f"{name}-{scheme}.png"


@dataclass(frozen=True, kw_only=True, slots=True)
class Hall:
    """A relay with its pictures. `known`: what the paths name, and who is who."""

    pictures: Mapping[str, Picture]
    site: str
    open_window: Callable[..., Awaitable[Page]]
    known: Mapping[str, Any]

    async def walk(self, **wanted: Any) -> AsyncIterator[tuple[str, Page]]:
        """Each page in a window of its own."""
        for name, it in self.pictures.items():
            window = await self.open_window(self.site, self.known[it.who] if it.who else None, **wanted)
            await it.go(window, it.path.format_map(self.known))
            yield name, window
            await window.context.close()
