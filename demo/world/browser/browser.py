"""Interface of the browsers that the demo uses."""

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from demo.world.errors import ComponentError


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitedPage:
    """The page a browser has reached after all redirects."""

    url: str
    status: int

    def get_missing_form_error(self, path: str) -> ComponentError:
        """Return an error that this page has no form for `path`."""
        return ComponentError(f"expected a page with a form for {path}, saw {self.status} {urlsplit(self.url).path}")


class Browser(Protocol):
    """A browser window that can only reach this machine. Its methods raise ComponentError."""

    @property
    def description(self) -> str:
        """The kind of browser, for messages."""

    async def open(self, url: str) -> VisitedPage:
        """Open an address."""

    async def get_heading(self) -> str:
        """Return the text of the page's heading."""

    async def has_form(self, path: str) -> bool:
        """Return whether the page has a form whose action is `path` or below it."""

    async def submit_form(self, path: str) -> VisitedPage:
        """Submit that form with its first button."""
