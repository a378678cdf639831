"""Every page has a light and a dark screenshot in docs/pages.md, and every screenshot has its page."""

import re
from pathlib import Path

import pytest

from relay.pages.site import ROUTERS
from tests.architecture.tree import ROOT, read_text, tracked
from tests.relay.browser.gallery import ALL, FOLDER, SCHEMES, get_screenshot_path

MAX_BYTES = 150_000
DOWNLOADS = {"/profile/export"}
"""Addresses that return a file, not a page."""
FILES = {get_screenshot_path(name, scheme) for name in ALL for scheme in SCHEMES}


def test_every_page_template_has_a_screenshot():
    pages = {
        path.name for path in tracked("web/templates/*.html") if '{% extends "base.html" %}' in (read_text(path) or "")
    }
    assert pages == {screenshot.template for screenshot in ALL.values()}


def test_every_page_address_has_a_screenshot():
    shown = [screenshot.path.partition("?")[0] for screenshot in ALL.values()]
    routes = [route for router in ROUTERS for route in router.routes if "GET" in route.methods]
    assert {route.path for route in routes if not any(route.path_regex.match(path) for path in shown)} == DOWNLOADS


def test_screenshot_folder_contains_exactly_the_gallery():
    assert set(FOLDER.iterdir()) == FILES


def test_screenshots_are_small_enough_for_the_repository():
    assert {path.name: path.stat().st_size for path in FILES if path.stat().st_size > MAX_BYTES} == {}


@pytest.mark.parametrize("name", ALL)
def test_docs_show_each_screenshot_once_in_light_and_dark(name):
    lines = (read_text(Path("docs/pages.md")) or "").splitlines()
    rows = [re.findall(r"\]\((images/pages/[^)]+)\)", line) for line in lines]
    paths = [get_screenshot_path(name, scheme).relative_to(ROOT / "docs").as_posix() for scheme in SCHEMES]
    assert rows.count(paths) == 1


def test_docs_show_no_other_screenshots():
    shown = set(re.findall(r"images/pages/([^)]+)\)", read_text(Path("docs/pages.md")) or ""))
    assert shown == {path.name for path in FILES}
