"""Each screenshot shows its page, and that page has no accessibility violations."""

import pytest

from relay.pages import rendering
from tests.relay.browser.accessibility import find_violations_in_schemes
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
        violations = await find_violations_in_schemes(window)
        overflowing = await window.evaluate(OVERFLOWING)
        if violations or overflowing:
            failures[name, "layout"] = violations, overflowing[:3]
    assert failures == {}
