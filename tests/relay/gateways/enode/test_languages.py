import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.gateways.enode.languages import LANGUAGES, is_language_tag, match_language


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("de", "de-DE"),
        ("de-AT", "de-DE"),
        ("nl", "nl-NL"),
        ("nl-BE", "nl-BE"),
        ("nl_be", "nl-BE"),
        ("no", "nb-NO"),
        ("nn-NO", "nb-NO"),
        ("en", "en-US"),
        ("en-AU", "en-GB"),
        ("pt-BR", "pt-PT"),
        ("sv-Latn-SE", "sv-SE"),
        ("zh-Hans-CN", "en-US"),
    ],
)
def test_tag_is_matched_to_the_closest_language(tag, language):
    assert is_language_tag(tag)
    assert match_language(tag) == language


@pytest.mark.parametrize("text", ["", "d", "de-", "-de", "german language", "de\n", "dé", "de-" + "x" * 9])
def test_malformed_tag_is_rejected(text):
    assert not is_language_tag(text)


@given(st.sampled_from(LANGUAGES))
def test_each_supported_language_matches_itself(language):
    assert match_language(language) == language


@given(st.text(max_size=30))
def test_any_text_matches_a_supported_language(text):
    assert match_language(text) in LANGUAGES
