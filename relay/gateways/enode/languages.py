"""The languages that Enode writes interventions in, and which of them is nearest to what a person reads."""

import re

DEFAULT_LANGUAGE = "en-US"
# The first of a language is the one for its other regions.
LANGUAGES = (
    *("da-DK", "de-DE", DEFAULT_LANGUAGE, "en-GB", "es-ES", "fi-FI", "fr-FR", "ja-JP", "lv-LV", "lt-LT"),
    *("nb-NO", "nl-NL", "nl-BE", "pl-PL", "pt-PT", "ro-RO", "sv-SE"),
)
# Norwegian's tag and its two written forms: who reads one reads the other.
_LANGUAGE_ALIASES = {"no": "nb", "nn": "nb"}
# English as it is written outside of America.
_BRITISH_ENGLISH_REGIONS = frozenset({"AU", "GB", "IE", "IN", "NZ", "ZA"})
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8}){0,8}", re.ASCII)


def is_language_tag(value: str) -> bool:
    """Whether this looks like a BCP 47 language tag; `_` for `-` is forgiven."""
    return _LANGUAGE_TAG.fullmatch(value) is not None


def match_language(tag: str) -> str:
    """The language of Enode's that is nearest to a BCP 47 tag: same language and region, same language, English."""
    language, *rest = re.split("[-_]", tag)
    language = _LANGUAGE_ALIASES.get(language.lower(), language.lower())
    region = next((part.upper() for part in rest if len(part) == 2 and part.isalpha()), "")  # noqa: PLR2004 - ISO 3166
    if language == "en" and region in _BRITISH_ENGLISH_REGIONS:
        region = "GB"
    if (wanted := f"{language}-{region}") in LANGUAGES:
        return wanted
    return next((it for it in LANGUAGES if it.startswith(f"{language}-")), DEFAULT_LANGUAGE)
