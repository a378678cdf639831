"""Every page has a light and a dark screenshot in docs/pages.md, and every screenshot has its page."""

import re
from pathlib import Path

import pytest

from relay.pages.site import ROUTERS
from tests.architecture.tree import ROOT, text_of, tracked
from tests.relay.browser.gallery import ALL, FOLDER, SCHEMES, file_of

MAX_BYTES = 150_000
DOWNLOADS = {"/profile/export"}
"""Addresses that return a file, not a page."""
FILES = {file_of(name, scheme) for name in ALL for scheme in SCHEMES}


def test_every_page_template_has_a_screenshot():
    pages = {it.name for it in tracked("web/templates/*.html") if '{% extends "base.html" %}' in (text_of(it) or "")}
    assert pages == {it.template for it in ALL.values()}


def test_every_page_address_has_a_screenshot():
    shown = [it.path.partition("?")[0] for it in ALL.values()]
    routes = [route for router in ROUTERS for route in router.routes if "GET" in route.methods]
    assert {it.path for it in routes if not any(it.path_regex.match(path) for path in shown)} == DOWNLOADS


def test_screenshot_folder_contains_exactly_the_gallery():
    assert set(FOLDER.iterdir()) == FILES


def test_screenshots_are_small_enough_for_the_repository():
    assert {it.name: it.stat().st_size for it in FILES if it.stat().st_size > MAX_BYTES} == {}


@pytest.mark.parametrize("name", ALL)
def test_docs_show_each_screenshot_once_in_light_and_dark(name):
    lines = (text_of(Path("docs/pages.md")) or "").splitlines()
    rows = [re.findall(r"\]\((images/pages/[^)]+)\)", line) for line in lines]
    paths = [file_of(name, scheme).relative_to(ROOT / "docs").as_posix() for scheme in SCHEMES]
    assert rows.count(paths) == 1


def test_docs_show_no_other_screenshots():
    shown = set(re.findall(r"images/pages/([^)]+)\)", text_of(Path("docs/pages.md")) or ""))
    assert shown == {it.name for it in FILES}
