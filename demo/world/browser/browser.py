"""What the demo asks of a browser, whatever it is."""

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from demo.world.errors import ComponentError


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitedPage:
    """Where a browser has come to: after all redirects."""

    url: str
    status: int

    def get_missing_form_error(self, path: str) -> ComponentError:
        """That the page here has no form for `path`."""
        return ComponentError(f"expected a page with a form for {path}, saw {self.status} {urlsplit(self.url).path}")


class Browser(Protocol):
    """One window, which stays on this machine. Raises BrokenPartError."""

    @property
    def description(self) -> str:
        """What it is, for the person."""

    async def open(self, url: str) -> VisitedPage:
        """Go to an address."""

    async def get_heading(self) -> str:
        """What the page is headed."""

    async def has_form(self, path: str) -> bool:
        """Whether the page has a form that goes to `path` or below it."""

    async def submit_form(self, path: str) -> VisitedPage:
        """Press the first button of that form."""
