"""Each screenshot shows its page, and that page has no accessibility violations."""

import pytest
from axe_playwright_python.async_playwright import Axe

from relay.pages import rendering
from tests.relay.browser.gallery import SCHEMES
from tests.relay.browser.test_every_page import OVERFLOWING


@pytest.fixture
def rendered_templates(monkeypatch):
    """The names of the templates that were rendered, in order."""
    names = []
    render = rendering._templates.TemplateResponse

    def record(request, name, *arguments, **options):
        names.append(name)
        return render(request, name, *arguments, **options)

    monkeypatch.setattr(rendering._templates, "TemplateResponse", record)
    return names


async def test_each_screenshot_shows_its_page_without_accessibility_violations(gallery, rendered_templates):
    failures = {}
    # Without transitions, all colours are final as soon as the scheme changes.
    async for name, window in gallery.open_all(scripts=True, reduced_motion="reduce"):
        shown = rendered_templates[-1]
        if shown != gallery.screenshots[name].template:
            failures[name] = shown
        for scheme in SCHEMES:
            await window.emulate_media(color_scheme=scheme)
            violations = (await Axe().run(window)).response["violations"]
            overflowing = await window.evaluate(OVERFLOWING)
            if violations or overflowing:
                failures[name, scheme] = (
                    [(violation["id"], violation["nodes"][0]["html"]) for violation in violations],
                    overflowing[:3],
                )
    assert failures == {}
