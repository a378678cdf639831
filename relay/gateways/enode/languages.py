"""The languages of Enode's interventions, and the best match for a user's language."""

import re

DEFAULT_LANGUAGE = "en-US"
# The first entry of a language also serves its regions that are not listed.
LANGUAGES = (
    *("da-DK", "de-DE", DEFAULT_LANGUAGE, "en-GB", "es-ES", "fi-FI", "fr-FR", "ja-JP", "lv-LV", "lt-LT"),
    *("nb-NO", "nl-NL", "nl-BE", "pl-PL", "pt-PT", "ro-RO", "sv-SE"),
)
# Norwegian and its second written form (Nynorsk) map to Bokmål, which their readers understand.
_LANGUAGE_ALIASES = {"no": "nb", "nn": "nb"}
# Regions that use British spelling.
_BRITISH_ENGLISH_REGIONS = frozenset({"AU", "GB", "IE", "IN", "NZ", "ZA"})
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8}){0,8}", re.ASCII)


def is_language_tag(value: str) -> bool:
    """Return whether `value` has the form of a BCP 47 language tag; `_` is accepted for `-`."""
    return _LANGUAGE_TAG.fullmatch(value) is not None


def match_language(tag: str) -> str:
    """Return Enode's best match for a BCP 47 tag: same language and region, else same language, else English."""
    language, *rest = re.split("[-_]", tag)
    language = _LANGUAGE_ALIASES.get(language.lower(), language.lower())
    region = next((part.upper() for part in rest if len(part) == 2 and part.isalpha()), "")  # noqa: PLR2004 - ISO 3166
    if language == "en" and region in _BRITISH_ENGLISH_REGIONS:
        region = "GB"
    if (exact_match := f"{language}-{region}") in LANGUAGES:
        return exact_match
    return next((other for other in LANGUAGES if other.startswith(f"{language}-")), DEFAULT_LANGUAGE)
