import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from markupsafe import Markup

from relay.pages.translations import WEB_DIR, Translator
from tests.architecture.tree import ROOT

PLACEHOLDER = re.compile(r"\{(\w+)\}")
SEPARATOR_KEYS = {"number.group", "number.point"}


def load_translations(language: str) -> dict[str, str]:
    return json.loads((WEB_DIR / "translations" / f"{language}.json").read_text(encoding="utf-8"))


def read_page_sources() -> str:
    files = [*(ROOT / "relay" / "pages").rglob("*.py"), *(ROOT / "web" / "templates").glob("*.html")]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


@pytest.mark.parametrize("language", ["de", "sv"])
def test_every_language_has_the_same_keys_and_placeholders(language):
    english, other = load_translations("en"), load_translations(language)
    assert set(other) == set(english)
    assert {
        key for key in english if set(PLACEHOLDER.findall(other[key])) != set(PLACEHOLDER.findall(english[key]))
    } == set()


@pytest.mark.parametrize("language", ["en", "de", "sv"])
def test_no_text_is_empty(language):
    assert [
        key for key, text in load_translations(language).items() if key not in SEPARATOR_KEYS and not text.strip()
    ] == []


def test_every_key_used_by_a_page_is_translated():
    english, source = load_translations("en"), read_page_sources()
    used = set(re.findall(r"""\bt\(['"]([\w.-]+[\w])['"]\s*[,)]""", source))
    counted = set(re.findall(r"""\bn\(['"]([\w.-]+)['"],""", source))
    assert used
    assert used - set(english) == set()
    assert {key for key in counted if not {f"{key}.one", f"{key}.other"} <= set(english)} == set()


def test_every_translated_key_is_used_by_a_page():
    source = read_page_sources()
    # Pages use a whole key, or build it from a prefix: `t('keys.scope.' ~ scope)`, `word('home.x', …)`.
    complete = set(re.findall(r"""['"]([a-z_]+\.[\w.-]+)['"]""", source))
    prefixes = set(re.findall(r"""['"]([a-z_]+\.(?:[\w.-]+[._])?)['"]\s*~""", source))
    prefixes |= {f"{prefix}." for prefix in re.findall(r"""\bword\(['"]([\w.]+)['"]""", source)}
    prefixes |= {f"{prefix}." for prefix in re.findall(r"""\b(?:n|plural)\(['"]([\w.]+)['"]""", source)}
    prefixes |= set(re.findall(r"""f['"]([a-z_]+\.[\w.]*)\{""", source))
    used = {
        key for key in load_translations("en") if key in complete or any(key.startswith(prefix) for prefix in prefixes)
    }
    assert set(load_translations("en")) - used == set()


def test_every_metered_route_has_a_translated_name():
    files = (ROOT / "relay" / "usecases").rglob("*.py")
    metered = {
        name for file in files for name in re.findall(r'\bendpoint="([\w/-]+)"', file.read_text(encoding="utf-8"))
    }
    named = {key.removeprefix("usage.route.") for key in load_translations("en") if key.startswith("usage.route.")}
    assert metered
    assert named == metered


@pytest.mark.parametrize(
    ("language", "number", "date"),
    [("en", "1,234.5", "5 Mar 2026"), ("de", "1.234,5", "5. März 2026"), ("sv", "1\u00a0234,5", "5 mars 2026")],
)
def test_numbers_and_dates_follow_the_language(language, number, date):
    t = Translator(language)
    assert t.number(1234.5, 1) == number
    assert t.date(datetime(2026, 3, 5, 12, tzinfo=UTC)) == date


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(seconds=-30), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1, seconds=1), "1 minute ago"),
        (timedelta(minutes=59, seconds=1), "59 minutes ago"),
        (timedelta(hours=1, seconds=1), "1 hour ago"),
        (timedelta(days=13, seconds=1), "13 days ago"),
    ],
)
def test_recent_time_is_shown_as_its_age(age, expected):
    assert Translator("en").ago(datetime.now(UTC) - age) == expected


def test_a_text_with_markup_escapes_everything_else():
    text = Translator("en").html("installations.failing", since=Markup("<time>now</time>"), why="<b>")
    assert text == "Messages haven&#39;t been delivered since <time>now</time>: &lt;b&gt;"


def test_time_older_than_two_weeks_is_shown_as_its_date():
    assert Translator("en").ago(datetime(2020, 1, 2, tzinfo=UTC)) == "2 Jan 2020"


def test_unknown_enum_value_is_shown_untranslated():
    assert Translator("de").word("home.charging", "CHARGING") == "Lädt"
    assert Translator("de").word("home.charging", "HOVERING") == "HOVERING"
