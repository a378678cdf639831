"""Texts of the pages from web/translations, and numbers and dates in each language. English is the fallback."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

from markupsafe import Markup, escape

DEFAULT_LANGUAGE = "en"
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_MAX_RELATIVE_AGE = timedelta(days=14)

# In a wheel the folder is inside the package, in a checkout beside it.
_PACKAGE = Path(__file__).parent.parent
WEB_DIR = next(folder for folder in (_PACKAGE / "web", _PACKAGE.parent / "web") if folder.is_dir())


@cache
def load_texts(language: str) -> dict[str, str]:
    """All texts of a language, by key."""
    texts: dict[str, str] = json.loads((WEB_DIR / "translations" / f"{language}.json").read_text(encoding="utf-8"))
    return texts


@cache
def list_languages() -> tuple[str, ...]:
    """The available languages, English first."""
    languages = sorted(file.stem for file in (WEB_DIR / "translations").glob("*.json"))
    return (DEFAULT_LANGUAGE, *(language for language in languages if language != DEFAULT_LANGUAGE))


class Translator:
    """Texts, numbers and dates in one language. `t("home.title", name=…)` fills the text's `{name}`."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        """The text of this key. Raises KeyError if English lacks it too."""
        text = load_texts(self.language).get(key) or load_texts(DEFAULT_LANGUAGE)[key]
        return text.format_map(values) if values else text

    def html(self, key: str, **values: object) -> Markup:
        """The text of this key as HTML. Values that are Markup stay as they are, all others are escaped."""
        return escape(self(key)).format_map(values)

    def plural(self, key: str, count: float, **values: object) -> str:
        """The text `key.one` for a count of 1, else `key.other`, with its `{count}` filled in."""
        form = "one" if count == 1 else "other"
        return self(f"{key}.{form}", count=self.number(count), **values)

    def word(self, prefix: str, value: str) -> str:
        """The text for a value of an external enumeration; the value itself if there is no text for it."""
        key = f"{prefix}.{value.lower()}"
        return self(key) if key in load_texts(DEFAULT_LANGUAGE) else value

    def number(self, value: float, digits: int = 0) -> str:
        """A number with `digits` decimals and thousands separators."""
        text = f"{value:,.{digits}f}"
        return text.translate({ord(","): self("number.group"), ord("."): self("number.point")})

    def day(self, day: date) -> str:
        """A date without its year."""
        return self("date.short", day=day.day, month=self("date.months").split()[day.month - 1])

    def date(self, moment: date) -> str:
        """A date; for a datetime, its date in UTC."""
        day = moment.astimezone(UTC) if isinstance(moment, datetime) else moment
        month = self("date.months").split()[day.month - 1]
        return self("date.day", day=day.day, month=month, year=day.year)

    def moment(self, moment: datetime) -> str:
        """Date and time in UTC, labelled as UTC."""
        return f"{self.date(moment)}, {moment.astimezone(UTC):%H:%M} UTC"

    def ago(self, moment: datetime) -> str:
        """Relative time, for example `5 minutes ago`; the date after 14 days."""
        age = max(datetime.now(UTC) - moment, timedelta())
        if age < _MINUTE:
            return self("ago.now")
        if age < _HOUR:
            return self.plural("ago.minutes", age // _MINUTE)
        if age < _DAY:
            return self.plural("ago.hours", age // _HOUR)
        return self.plural("ago.days", age // _DAY) if age < _MAX_RELATIVE_AGE else self.date(moment)


def choose_translator(tags: Iterable[str]) -> Translator:
    """Translator for the first of these language tags that is available, else for English."""
    for tag in tags:
        language = tag.split("-")[0].lower()
        if language in list_languages():
            return Translator(language)
    return Translator(DEFAULT_LANGUAGE)


def parse_accept_language(header: str | None) -> list[str]:
    """Language tags of an Accept-Language header, the most preferred first."""
    weighted: list[tuple[float, str]] = []
    for part in (header or "")[:1000].split(","):
        tag, _, parameters = part.strip().partition(";")
        quality = parameters.strip().removeprefix("q=").strip()
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        if tag and weight > 0:
            weighted.append((weight, tag))
    return [tag for _, tag in sorted(weighted, key=lambda item: -item[0])]
