"""The pages' texts in each language we speak, from web/translations; English where another one lacks a text."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

DEFAULT_LANGUAGE = "en"
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_MAX_RELATIVE_AGE = timedelta(days=14)

# In a wheel the folder lies inside the package, in a checkout beside it.
_PACKAGE = Path(__file__).parent.parent
WEB_DIR = next(folder for folder in (_PACKAGE / "web", _PACKAGE.parent / "web") if folder.is_dir())


@cache
def load_texts(language: str) -> dict[str, str]:
    """All texts of a language, by key."""
    loaded: dict[str, str] = json.loads((WEB_DIR / "translations" / f"{language}.json").read_text(encoding="utf-8"))
    return loaded


@cache
def list_languages() -> tuple[str, ...]:
    """The languages there are, English first."""
    found = sorted(file.stem for file in (WEB_DIR / "translations").glob("*.json"))
    return (DEFAULT_LANGUAGE, *(it for it in found if it != DEFAULT_LANGUAGE))


class Translator:
    """Says things in one language. `t("home.title", name=…)` fills the text's `{name}`."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        """The text of this key. Raises KeyError for one that no language has: a mistake of ours."""
        text = load_texts(self.language).get(key) or load_texts(DEFAULT_LANGUAGE)[key]
        return text.format_map(values) if values else text

    def plural(self, key: str, count: float, **values: object) -> str:
        """The text for one (`key.one`) or for any other number (`key.other`) of things, with `{count}` in it."""
        form = "one" if count == 1 else "other"
        return self(f"{key}.{form}", count=self.number(count), **values)

    def word(self, prefix: str, value: str) -> str:
        """The word for a value of a list that is not ours; the value itself when that list has grown."""
        key = f"{prefix}.{value.lower()}"
        return self(key) if key in load_texts(DEFAULT_LANGUAGE) else value

    def number(self, value: float, digits: int = 0) -> str:
        """A number with so many digits behind the point, in groups of three."""
        written = f"{value:,.{digits}f}"
        return written.translate({ord(","): self("number.group"), ord("."): self("number.point")})

    def date(self, moment: date) -> str:
        """The day; of a moment, the day in UTC."""
        day = moment.astimezone(UTC) if isinstance(moment, datetime) else moment
        month = self("date.months").split()[day.month - 1]
        return self("date.day", day=day.day, month=month, year=day.year)

    def moment(self, moment: datetime) -> str:
        """Day and time, in UTC and saying so."""
        return f"{self.date(moment)}, {moment.astimezone(UTC):%H:%M} UTC"

    def ago(self, moment: datetime) -> str:
        """How long ago it was, as a person would say it; the day when that is long."""
        age = max(datetime.now(UTC) - moment, timedelta())
        if age < _MINUTE:
            return self("ago.now")
        if age < _HOUR:
            return self.plural("ago.minutes", age // _MINUTE)
        if age < _DAY:
            return self.plural("ago.hours", age // _HOUR)
        return self.plural("ago.days", age // _DAY) if age < _MAX_RELATIVE_AGE else self.date(moment)


def choose_translator(tags: Iterable[str]) -> Translator:
    """A translator for the first of these language tags that we speak."""
    for tag in tags:
        short = tag.split("-")[0].lower()
        if short in list_languages():
            return Translator(short)
    return Translator(DEFAULT_LANGUAGE)


def parse_accept_language(header: str | None) -> list[str]:
    """The tags of an Accept-Language header, the most wanted first."""
    weighed: list[tuple[float, str]] = []
    for part in (header or "")[:1000].split(","):
        tag, _, rest = part.strip().partition(";")
        quality = rest.strip().removeprefix("q=").strip()
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        if tag and weight > 0:
            weighed.append((weight, tag))
    return [tag for _, tag in sorted(weighed, key=lambda it: -it[0])]
