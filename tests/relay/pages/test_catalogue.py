import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from relay.pages.translations import WEB_DIR, Translator
from tests.architecture.tree import ROOT

PLACEHOLDER = re.compile(r"\{(\w+)\}")
NOT_TEXTS = {"number.group", "number.point"}


def catalogue(language: str) -> dict[str, str]:
    return json.loads((WEB_DIR / "translations" / f"{language}.json").read_text(encoding="utf-8"))


def sources() -> str:
    files = [*(ROOT / "relay" / "pages").glob("*.py"), *(ROOT / "web" / "templates").glob("*.html")]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


@pytest.mark.parametrize("language", ["de", "sv"])
def test_every_language_says_everything_with_the_same_placeholders(language):
    english, other = catalogue("en"), catalogue(language)
    assert set(other) == set(english)
    assert {
        key for key in english if set(PLACEHOLDER.findall(other[key])) != set(PLACEHOLDER.findall(english[key]))
    } == set()


@pytest.mark.parametrize("language", ["en", "de", "sv"])
def test_no_text_is_empty(language):
    assert [key for key, text in catalogue(language).items() if key not in NOT_TEXTS and not text.strip()] == []


def test_what_pages_say_is_in_the_catalogue():
    english, source = catalogue("en"), sources()
    said = set(re.findall(r"""\bt\(['"]([\w.-]+[\w])['"]\s*[,)]""", source))
    counted = set(re.findall(r"""\bn\(['"]([\w.-]+)['"],""", source))
    assert said
    assert said - set(english) == set()
    assert {key for key in counted if not {f"{key}.one", f"{key}.other"} <= set(english)} == set()


def test_nothing_is_in_the_catalogue_that_no_page_says():
    source = sources()
    # By its key, or by one that is put together behind a beginning: `t('keys.scope.' ~ scope)`, `word('home.x', …)`.
    whole = set(re.findall(r"""['"]([a-z_]+\.[\w.-]+)['"]""", source))
    beginnings = set(re.findall(r"""['"]([a-z_]+\.(?:[\w.-]+[._])?)['"]\s*~""", source))
    beginnings |= {f"{it}." for it in re.findall(r"""\bword\(['"]([\w.]+)['"]""", source)}
    beginnings |= {f"{it}." for it in re.findall(r"""\b(?:n|plural)\(['"]([\w.]+)['"]""", source)}
    beginnings |= set(re.findall(r"""f['"]([a-z_]+\.[\w.]*)\{""", source))
    said = {key for key in catalogue("en") if key in whole or any(key.startswith(it) for it in beginnings)}
    assert set(catalogue("en")) - said == set()


def test_every_kind_of_call_that_counts_has_a_name():
    files = (ROOT / "relay" / "usecases").glob("*.py")
    counted = {it for file in files for it in re.findall(r'\bendpoint="([\w/-]+)"', file.read_text(encoding="utf-8"))}
    named = {key.removeprefix("usage.route.") for key in catalogue("en") if key.startswith("usage.route.")}
    assert counted
    assert named == counted


@pytest.mark.parametrize(
    ("language", "number", "date"),
    [("en", "1,234.5", "5 Mar 2026"), ("de", "1.234,5", "5. März 2026"), ("sv", "1\u00a0234,5", "5 mars 2026")],
)
def test_numbers_and_days_are_written_as_people_do(language, number, date):
    t = Translator(language)
    assert t.number(1234.5, 1) == number
    assert t.date(datetime(2026, 3, 5, 12, tzinfo=UTC)) == date


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(seconds=-30), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1, seconds=1), "1 minute ago"),
        (timedelta(minutes=59, seconds=1), "59 minutes ago"),
        (timedelta(hours=1, seconds=1), "1 hour ago"),
        (timedelta(days=13, seconds=1), "13 days ago"),
    ],
)
def test_how_long_ago_something_was(age, said):
    assert Translator("en").ago(datetime.now(UTC) - age) == said


def test_what_is_long_ago_is_told_by_its_day():
    assert Translator("en").ago(datetime(2020, 1, 2, tzinfo=UTC)) == "2 Jan 2020"


def test_a_word_that_we_do_not_know_stands_for_itself():
    assert Translator("de").word("home.charging", "CHARGING") == "Lädt"
    assert Translator("de").word("home.charging", "HOVERING") == "HOVERING"
