"""No page without its picture, light and dark, and no picture of what is gone."""

import re
from pathlib import Path

import pytest

from relay.pages.site import ROUTERS
from tests.architecture.tree import ROOT, text_of, tracked
from tests.relay.browser.gallery import ALL, FOLDER, SCHEMES, file_of

LARGEST = 150_000
NO_PAGE = {"/profile/export"}
"""What is downloaded."""
FILES = {file_of(name, scheme) for name in ALL for scheme in SCHEMES}


def test_each_template_of_a_page_has_a_picture():
    pages = {it.name for it in tracked("web/templates/*.html") if '{% extends "base.html" %}' in (text_of(it) or "")}
    assert pages == {it.template for it in ALL.values()}


def test_each_address_of_a_page_has_a_picture():
    shown = [it.path.partition("?")[0] for it in ALL.values()]
    routes = [route for router in ROUTERS for route in router.routes if "GET" in route.methods]
    assert {it.path for it in routes if not any(it.path_regex.match(path) for path in shown)} == NO_PAGE


def test_the_pictures_that_there_are_are_those_and_no_others():
    assert set(FOLDER.iterdir()) == FILES


def test_the_pictures_are_no_burden():
    assert {it.name: it.stat().st_size for it in FILES if it.stat().st_size > LARGEST} == {}


@pytest.mark.parametrize("name", ALL)
def test_the_manual_shows_it_in_a_row_both_ways(name):
    lines = (text_of(Path("docs/pages.md")) or "").splitlines()
    rows = [re.findall(r"\]\((images/pages/[^)]+)\)", line) for line in lines]
    paths = [file_of(name, scheme).relative_to(ROOT / "docs").as_posix() for scheme in SCHEMES]
    assert rows.count(paths) == 1


def test_the_manual_shows_no_others():
    shown = set(re.findall(r"images/pages/([^)]+)\)", text_of(Path("docs/pages.md")) or ""))
    assert shown == {it.name for it in FILES}
