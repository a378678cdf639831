"""Chromium as browser. Unlike the forms browser, it enforces cookie rules and Content-Security-Policy."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator, Page, Response

from demo.world.browser.browser import Browser, VisitedPage
from demo.world.chromium import launch_chromium
from demo.world.errors import ComponentError


class ChromiumBrowser:
    """Implements Browser with Chromium."""

    description = "in Chromium"

    def __init__(self, page: Page) -> None:
        self._page = page
        self._visited = VisitedPage(url=page.url, status=0)

    async def open(self, url: str) -> VisitedPage:
        """See Browser."""
        with _convert_errors():
            return self._record_page(await self._page.goto(url))

    async def get_heading(self) -> str:
        """See Browser."""
        with _convert_errors():
            return await self._page.get_by_role("heading", level=1).inner_text()

    async def has_form(self, path: str) -> bool:
        """See Browser."""
        with _convert_errors():
            return await self._find_form(path) is not None

    async def submit_form(self, path: str) -> VisitedPage:
        """See Browser."""
        with _convert_errors():
            form = await self._find_form(path)
            if form is None:
                raise self._visited.get_missing_form_error(path)
            # The target page may close itself, so wait for the response only.
            async with self._page.expect_navigation(wait_until="commit") as navigation:
                await form.get_by_role("button").first.click()
            return self._record_page(await navigation.value)

    async def _find_form(self, path: str) -> Locator | None:
        forms = self._page.locator("form")
        targets: list[str] = await forms.evaluate_all("all => all.map(form => form.action)")
        matches = [number for number, target in enumerate(targets) if urlsplit(target).path.startswith(path)]
        return forms.nth(matches[0]) if matches else None

    def _record_page(self, response: Response | None) -> VisitedPage:
        if response is None:
            raise ComponentError("the browser opened no page")
        self._visited = VisitedPage(url=response.url, status=response.status)
        return self._visited


@contextmanager
def _convert_errors() -> Iterator[None]:
    """Convert Playwright's errors to ComponentError, without its log."""
    try:
        yield
    except PlaywrightError as error:
        raise ComponentError(f"the browser failed: {error.message.splitlines()[0]}") from None


@asynccontextmanager
async def open_chromium(program: str) -> AsyncIterator[Browser]:
    """Open a window in a new Chromium."""
    with _convert_errors():
        async with launch_chromium(program) as chromium:
            yield ChromiumBrowser(await chromium.new_page(locale="en-US"))
