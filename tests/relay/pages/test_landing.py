"""What the landing page claims is true: for each claim, the tests that show it."""

import re

import pytest

from tests.architecture.tree import ROOT

EVIDENCE = {
    "landing.what": ("tests/relay/usecases/linking/", "tests/component/test_sse.py"),
    "landing.live_text": ("tests/relay/streams/", "tests/relay/metering/test_poll_schedule.py"),
    "landing.live_self_hosted": ("tests/relay/streams/",),
    "landing.control_text": ("tests/relay/usecases/commands/", "tests/relay/pages/test_charging_sessions.py"),
    "landing.private_text": ("tests/relay/pages/test_installations.py", "tests/relay/usecases/account/"),
    "landing.add": ("tests/component/test_conformance.py",),
    "landing.connect": ("tests/relay/usecases/oauth/", "tests/relay/pages/test_keys.py"),
    "landing.link": ("tests/relay/usecases/linking/",),
}


def test_every_sentence_of_the_page_has_evidence():
    used = re.findall(r"t\('(landing\.[a-z_]+)'\)", (ROOT / "web/templates/landing.html").read_text(encoding="utf-8"))
    labels = {"landing.short", "landing.title", "landing.sign_in", "landing.example", "landing.live", "landing.how"}
    claims = {key for key in used if key not in labels and not key.endswith("_title")}
    assert claims == set(EVIDENCE)


@pytest.mark.parametrize("path", sorted({path for paths in EVIDENCE.values() for path in paths}))
def test_the_evidence_exists(path):
    assert (ROOT / path).exists()


async def test_the_page_promises_only_what_every_plan_and_every_brand_has(browser):
    page = (await browser.get("/")).text
    for claim in ("almost any brand", "no update is lost", "Plug in your car, and"):
        assert claim not in page


async def test_the_page_of_a_self_hosted_relay_mentions_no_plans(browser):
    page = (await browser.get("/")).text
    assert "within seconds" in page
    assert "plan" not in page
