"""The languages that Enode writes interventions in, and which of them is nearest to what a person reads."""

import re

DEFAULT = "en-US"
# The first of a language is the one for its other regions.
LANGUAGES = (
    *("da-DK", "de-DE", DEFAULT, "en-GB", "es-ES", "fi-FI", "fr-FR", "ja-JP", "lv-LV", "lt-LT"),
    *("nb-NO", "nl-NL", "nl-BE", "pl-PL", "pt-PT", "ro-RO", "sv-SE"),
)
# Norwegian's tag and its two written forms: who reads one reads the other.
_SAME = {"no": "nb", "nn": "nb"}
# English as it is written outside of America.
_BRITISH = frozenset({"AU", "GB", "IE", "IN", "NZ", "ZA"})
_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8}){0,8}", re.ASCII)


def is_tag(given: str) -> bool:
    """Whether this looks like a BCP 47 language tag; `_` for `-` is forgiven."""
    return _TAG.fullmatch(given) is not None


def nearest(tag: str) -> str:
    """The language of Enode's that is nearest to a BCP 47 tag: same language and region, same language, English."""
    language, *rest = re.split("[-_]", tag)
    language = _SAME.get(language.lower(), language.lower())
    region = next((part.upper() for part in rest if len(part) == 2 and part.isalpha()), "")  # noqa: PLR2004 - ISO 3166
    if language == "en" and region in _BRITISH:
        region = "GB"
    if (wanted := f"{language}-{region}") in LANGUAGES:
        return wanted
    return next((it for it in LANGUAGES if it.startswith(f"{language}-")), DEFAULT)
