"""A relay in cloud mode, browsers that open its pages, and what its database contains."""

from contextlib import AsyncExitStack

import httpx
from fastapi import FastAPI

from tests.relay.pages.conftest import Browser
from tests.relay.support.supabase.double import SupabaseDouble

SITE = "http://127.0.0.1:8300"
ANNA = "anna@example.org"


class CloudRelay:
    """A relay in cloud mode with its Supabase project."""

    def __init__(self, stack: AsyncExitStack, app: FastAPI, supabase: SupabaseDouble) -> None:
        self._stack, self.app, self.supabase = stack, app, supabase

    async def open_browser(self, **transport_options):
        """Open a browser with cookies of its own."""
        return await self._stack.enter_async_context(
            Browser(transport=httpx.ASGITransport(self.app, **transport_options), base_url=SITE)
        )

    async def follow_link(self, browser, link):
        """Open a link that redirects through Supabase; returns the relay's response at its end."""
        return await browser.get(await self.supabase.resolve_link(link))

    async def sign_in(self, browser, email, *, by="/sign-in", **fields):
        """Request a link by email and open it; returns the relay's response."""
        response = await browser.submit(by, email=email, **fields)
        assert response.status_code == 200, response.text
        return await self.follow_link(browser, self.supabase.mails[-1].link)


async def fetch_column(owner, statement, *values):
    """The first column of all rows."""
    return [row[0] for row in await (await owner.execute(statement, values)).fetchall()]
