"""A minimal browser without scripts, for machines without Chromium: parses pages and submits their forms."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import override
from urllib.parse import urljoin, urlsplit

from aiohttp import ClientResponse, ClientSession, CookieJar

from demo.world.browser.browser import Browser, VisitedPage
from demo.world.errors import ComponentError
from demo.world.link_pages import Form, FormParser
from demo.world.ports import HOST

MAX_REDIRECTS = 8


class _PageParser(FormParser):
    """Parses the forms and the heading of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.heading = ""
        self._in_heading = False

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_heading = self._in_heading or tag == "h1"
        super().handle_starttag(tag, attrs)

    @override
    def handle_endtag(self, tag: str) -> None:
        self._in_heading = self._in_heading and tag != "h1"

    @override
    def handle_data(self, data: str) -> None:
        if self._in_heading:
            self.heading += data


class FormsBrowser:
    """Implements Browser without Chromium."""

    description = "without a browser, no Chromium found"

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self._visited = VisitedPage(url="about:blank", status=0)
        self._page = _PageParser()

    async def open(self, url: str) -> VisitedPage:
        """See Browser."""
        return await self._follow_redirects(await self._session.get(url, allow_redirects=False))

    async def get_heading(self) -> str:
        """See Browser."""
        return self._page.heading.strip()

    async def has_form(self, path: str) -> bool:
        """See Browser."""
        return self._find_form(path) is not None

    async def submit_form(self, path: str) -> VisitedPage:
        """See Browser."""
        form = self._find_form(path)
        if form is None:
            raise self._visited.get_missing_form_error(path)
        fields = [*form.fields, *[(name, value) for name, value in form.buttons[:1] if name]]
        target = urljoin(self._visited.url, form.action)
        return await self._follow_redirects(await self._session.post(target, data=fields, allow_redirects=False))

    def _find_form(self, path: str) -> Form | None:
        return next((form for form in self._page.forms if self._get_target_path(form).startswith(path)), None)

    def _get_target_path(self, form: Form) -> str:
        return urlsplit(urljoin(self._visited.url, form.action)).path

    async def _follow_redirects(self, response: ClientResponse) -> VisitedPage:
        for _ in range(MAX_REDIRECTS):
            url = str(response.url)
            async with response:
                if "Location" not in response.headers:
                    self._page = _PageParser()
                    self._page.feed(await response.text())
                    self._visited = VisitedPage(url=url, status=response.status)
                    return self._visited
                target = urljoin(url, response.headers["Location"])
            if urlsplit(target).hostname != HOST:
                raise ComponentError(f"expected to stay on this machine, was redirected to {target}")
            response = await self._session.get(target, allow_redirects=False)
        raise ComponentError(f"too many redirects, the last one to {response.url}")


@asynccontextmanager
async def open_forms_browser() -> AsyncIterator[Browser]:
    """Open a new browser window."""
    # unsafe: accept cookies from IP addresses.
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        yield FormsBrowser(session)
