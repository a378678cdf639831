"""Find accessibility violations of a page with axe-core."""

from collections.abc import Mapping
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from tests.relay.browser.gallery import SCHEMES

COLOR_RULES = ("color-contrast", "link-in-text-block")
"""The enabled rules of axe's category `cat.color`. A colour scheme only changes colours."""
IS_LOADED = "'axe' in window"
LONGEST_HTML = 200


async def find_violations(window: Page) -> list[tuple[str, str]]:
    """Return the rule and the first element of each violation on the page."""
    return await _run_axe(window, {"resultTypes": ["violations"]})


async def find_violations_in_schemes(window: Page) -> Mapping[str, list[tuple[str, str]]]:
    """Return the violations in each colour scheme that has any. All rules run in the first, those of colours in all."""
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    found = {}
    for scheme in SCHEMES:
        await window.emulate_media(color_scheme=scheme)
        found[scheme] = await _run_axe(window, options)
        options["runOnly"] = {"type": "rule", "values": COLOR_RULES}
    return {scheme: violations for scheme, violations in found.items() if violations}


async def _run_axe(window: Page, options: Mapping[str, Any]) -> list[tuple[str, str]]:
    axe = Axe()
    if not await window.evaluate(IS_LOADED):
        await window.evaluate(axe.axe_script)
    violations = await window.evaluate("options => axe.run(options).then(results => results.violations)", options)
    return [(violation["id"], violation["nodes"][0]["html"][:LONGEST_HTML]) for violation in violations]
