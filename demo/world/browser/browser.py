"""What the demo asks of a browser, whatever it is."""

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from demo.world.errors import BrokenPartError


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a browser has come to: after all redirects."""

    url: str
    status: int

    def missing(self, path: str) -> BrokenPartError:
        """That the page here has no form for `path`."""
        return BrokenPartError(f"expected a page with a form for {path}, saw {self.status} {urlsplit(self.url).path}")


class Browser(Protocol):
    """One window, which stays on this machine. Raises BrokenPartError."""

    @property
    def way(self) -> str:
        """What it is, for the person."""

    async def open(self, url: str) -> Place:
        """Go to an address."""

    async def heading(self) -> str:
        """What the page is headed."""

    async def offers(self, path: str) -> bool:
        """Whether the page has a form that goes to `path` or below it."""

    async def press(self, path: str) -> Place:
        """Press the first button of that form."""
