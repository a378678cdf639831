"""Complete the link pages as a browser does: parse each page and submit its form."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import override
from urllib.parse import urljoin, urlsplit

from aiohttp import ClientResponse, ClientSession

from demo.world.errors import ComponentError

MAX_PAGES = 8
LEAVING_BUTTONS = {"cancel", "back"}  # buttons that leave the flow


@dataclass(slots=True, kw_only=True)
class Form:
    """A form of a page: action, prefilled fields, and buttons as name and value."""

    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class FormParser(HTMLParser):
    """Parses the forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(action=attributes.get("action", "")))
        elif not self.forms:
            return  # a button outside of forms
        elif tag == "input" and (attributes.get("type") not in {"checkbox", "radio"} or "checked" in attributes):
            self.forms[-1].fields.append((attributes.get("name", ""), attributes.get("value", "")))
        elif tag == "button":
            self.forms[-1].buttons.append((attributes.get("name", ""), attributes.get("value", "")))


async def complete_link_pages(session: ClientSession, address: str, *, hosts: int = 1) -> str:
    """Link all selected cars. Returns the address to which the last host redirects.

    `hosts` is the number of hosts on the way: 1 for Enode's page, 2 with the relay's page before it.
    """
    response = await session.get(address, allow_redirects=False)
    for _ in range(MAX_PAGES):
        async with response:
            if response.status // 100 == 3:  # noqa: PLR2004 - a redirect
                target = urljoin(str(response.url), response.headers["Location"])
                if urlsplit(target).netloc != urlsplit(str(response.url)).netloc:
                    hosts -= 1
                    if not hosts:
                        return target
                step = session.get(target, allow_redirects=False)
            else:
                form = await _find_next_form(response)
                url = urljoin(str(response.url), form.action)
                step = session.post(url, data=[*form.fields, *form.buttons[:1]], allow_redirects=False)
            response = await step
    raise ComponentError(f"the link page at {address} did not end after {MAX_PAGES} pages")


async def _find_next_form(response: ClientResponse) -> Form:
    """Find the form that continues the flow."""
    page = await response.text()
    if not response.ok:
        raise ComponentError(f"the link page answered {response.status}")
    reader = FormParser()
    reader.feed(page)
    for form in reader.forms:
        if form.buttons and not LEAVING_BUTTONS & {value for _, value in form.buttons[:1]}:
            form.buttons = [(name, value) for name, value in form.buttons if name]
            return form
    raise ComponentError("the link page has no form to continue")
