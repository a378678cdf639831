"""Where there is no browser: pages are read, their forms filled in and sent, as a browser without scripts does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import override
from urllib.parse import urljoin, urlsplit

from aiohttp import ClientResponse, ClientSession, CookieJar

from demo.world.browser.browser import Browser, Place
from demo.world.errors import BrokenPartError
from demo.world.link_page import Form, Forms
from demo.world.ports import HOST

MOST_REDIRECTS = 8


class _Reader(Forms):
    """The forms of a page, and its heading."""

    def __init__(self) -> None:
        super().__init__()
        self.heading = ""
        self._inside = False

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = self._inside or tag == "h1"
        super().handle_starttag(tag, attrs)

    @override
    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "h1"

    @override
    def handle_data(self, data: str) -> None:
        if self._inside:
            self.heading += data


class FormsBrowser:
    """A Browser without Chromium."""

    way = "by forms, no Chromium found"

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self._place = Place(url="about:blank", status=0)
        self._page = _Reader()

    async def open(self, url: str) -> Place:
        """See Browser."""
        return await self._arrive(await self._session.get(url, allow_redirects=False))

    async def heading(self) -> str:
        """See Browser."""
        return self._page.heading.strip()

    async def offers(self, path: str) -> bool:
        """See Browser."""
        return self._form(path) is not None

    async def press(self, path: str) -> Place:
        """See Browser."""
        form = self._form(path)
        if form is None:
            raise self._place.missing(path)
        fields = [*form.fields, *[(name, value) for name, value in form.buttons[:1] if name]]
        target = urljoin(self._place.url, form.action)
        return await self._arrive(await self._session.post(target, data=fields, allow_redirects=False))

    def _form(self, path: str) -> Form | None:
        return next((it for it in self._page.found if self._target(it).startswith(path)), None)

    def _target(self, form: Form) -> str:
        return urlsplit(urljoin(self._place.url, form.action)).path

    async def _arrive(self, response: ClientResponse) -> Place:
        for _ in range(MOST_REDIRECTS):
            url = str(response.url)
            async with response:
                if "Location" not in response.headers:
                    self._page = _Reader()
                    self._page.feed(await response.text())
                    self._place = Place(url=url, status=response.status)
                    return self._place
                target = urljoin(url, response.headers["Location"])
            if urlsplit(target).hostname != HOST:
                raise BrokenPartError(f"expected to stay on this machine, was sent to {target}")
            response = await self._session.get(target, allow_redirects=False)
        raise BrokenPartError(f"was sent on and on, at last to {response.url}")


@asynccontextmanager
async def open_forms() -> AsyncIterator[Browser]:
    """A browser of its own."""
    # Its jar would refuse cookies of bare addresses otherwise.
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        yield FormsBrowser(session)
