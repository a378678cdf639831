"""What the pictures show is what they say, and nobody is shut out of any page that has one."""

import pytest
from axe_playwright_python.async_playwright import Axe

from relay.pages import rendering
from tests.relay.browser.gallery import SCHEMES
from tests.relay.browser.test_every_page import OUT


@pytest.fixture
def shown(monkeypatch):
    """The templates that were shown, in order."""
    names = []
    render = rendering._templates.TemplateResponse

    def note(request, name, *others, **wanted):
        names.append(name)
        return render(request, name, *others, **wanted)

    monkeypatch.setattr(rendering._templates, "TemplateResponse", note)
    return names


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_each_picture_is_of_its_page_and_nobody_is_shut_out_of_that(hall, shown, scheme):
    wrong = {}
    async for name, window in hall.walk(scripts=True, color_scheme=scheme):
        found = (await Axe().run(window)).response["violations"]
        out = await window.evaluate(OUT)
        if found or out or shown[-1] != hall.pictures[name].template:
            wrong[name] = (shown[-1], [(it["id"], it["nodes"][0]["html"]) for it in found], out[:3])
    assert wrong == {}
