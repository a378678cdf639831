"""The pages' texts in each language we speak, from web/translations; English where another one lacks a text."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

FIRST = "en"

# In a wheel the folder lies inside the package, in a checkout beside it.
_PACKAGE = Path(__file__).parent.parent
WEB = next(folder for folder in (_PACKAGE / "web", _PACKAGE.parent / "web") if folder.is_dir())


@cache
def texts(language: str) -> dict[str, str]:
    """All texts of a language, by key."""
    loaded: dict[str, str] = json.loads((WEB / "translations" / f"{language}.json").read_text(encoding="utf-8"))
    return loaded


@cache
def languages() -> tuple[str, ...]:
    """The languages there are, English first."""
    found = sorted(file.stem for file in (WEB / "translations").glob("*.json"))
    return (FIRST, *(it for it in found if it != FIRST))


class Translator:
    """Says things in one language. `t("home.title", name=…)` fills the text's `{name}`."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        """The text of this key. Raises KeyError for one that no language has: a mistake of ours."""
        text = texts(self.language).get(key) or texts(FIRST)[key]
        return text.format(**values) if values else text


def choose(wanted: Iterable[str]) -> Translator:
    """A translator for the first of these language tags that we speak."""
    for tag in wanted:
        short = tag.split("-")[0].lower()
        if short in languages():
            return Translator(short)
    return Translator(FIRST)


def accepted(header: str | None) -> list[str]:
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
