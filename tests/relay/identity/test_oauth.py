"""The pure rules of OAuth: allowed redirect addresses, PKCE, scopes, names, and refresh token rotation."""

import hashlib
from base64 import urlsafe_b64encode
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.identity.oauth import (
    MAX_NAME_LENGTH,
    MY_HOME_ASSISTANT,
    REFRESH_RACE_WINDOW,
    OAuthError,
    RefreshTokenState,
    build_redirect_url,
    clean_name,
    find_pair_to_replace,
    get_redirect_host,
    get_redirect_origin,
    is_code_challenge,
    is_redirect_allowed,
    parse_scopes,
    verify_code_challenge,
)

LOCAL = [
    "http://homeassistant.local:8123/auth/external/callback",
    "https://ha.example.org/auth/external/callback",
    "http://192.168.1.20:8123/auth/external/callback",
    "http://[fd00::20]:8123/auth/external/callback",
    "http://home_assistant:8123/auth/external/callback",
]
NEVER = [
    "",
    "https://my.home-assistant.io/redirect/oauth/",
    "https://my.home-assistant.io/redirect/oauth?x=1",
    "http://my.home-assistant.io/redirect/oauth",
    "https://my.home-assistant.io.evil.example/redirect/oauth",
    "https://MY.home-assistant.io/redirect/oauth",
    "https://my.home-assistant.io@evil.example/redirect/oauth",
    "https://my.home-assistant.io/redirect/oauth#x",
    "https://evil.example/redirect/oauth",
    "http://ha.local/auth/external/callback/",
    "http://ha.local/auth/external/callback?x=1",
    "http://ha.local/auth/external/callback#x",
    "http://ha.local/auth/external/../external/callback",
    "http://ha.local//auth/external/callback",
    "http://ha.local/%61uth/external/callback",
    "http://ha.local\\@evil.example/auth/external/callback",
    "http://user@ha.local/auth/external/callback",
    "http://user:word@ha.local/auth/external/callback",
    "http://ha.local:99999/auth/external/callback",
    "http://ha.local:0/auth/external/callback",
    "http://ha.local:/auth/external/callback",
    "http:///auth/external/callback",
    "http://:8123/auth/external/callback",
    "http://[::1/auth/external/callback",
    "http://[zz]/auth/external/callback",
    "http://[:::::]/auth/external/callback",
    "//ha.local/auth/external/callback",
    "javascript://ha.local/auth/external/callback",
    "ftp://ha.local/auth/external/callback",
    "HTTP://ha.local/auth/external/callback",
    "http://hä.local/auth/external/callback",
    "http://ha.local/auth/external/callback\n",
    " http://ha.local/auth/external/callback",
    "http://ha.local\r\n/auth/external/callback",
    "http://" + "a" * 300 + "/auth/external/callback",
]


@pytest.mark.parametrize("uri", LOCAL)
def test_local_home_assistant_address_is_allowed_by_setting(uri):
    assert is_redirect_allowed(uri, allow_local=True)
    assert not is_redirect_allowed(uri, allow_local=False)


@pytest.mark.parametrize("local", [True, False])
def test_my_home_assistant_is_always_allowed(local):
    assert is_redirect_allowed(MY_HOME_ASSISTANT, allow_local=local)


@pytest.mark.parametrize("uri", NEVER)
def test_other_addresses_are_refused(uri):
    assert not is_redirect_allowed(uri, allow_local=True)


@given(st.text(max_size=80))
def test_allowed_address_with_any_prefix_or_suffix_is_refused(noise):
    for uri in (MY_HOME_ASSISTANT, LOCAL[0]):
        assert is_redirect_allowed(uri + noise, allow_local=True) == (noise == "")
        assert is_redirect_allowed(noise + uri, allow_local=True) == (noise == "")


def test_redirect_host_includes_the_port():
    assert get_redirect_host(LOCAL[0]) == "homeassistant.local:8123"
    assert get_redirect_origin(LOCAL[3]) == "http://[fd00::20]:8123"


def test_redirect_url_contains_state_and_issuer():
    address = build_redirect_url(LOCAL[0], issuer="https://relay.example", state="a b&c", code="x")
    assert address == LOCAL[0] + "?code=x&state=a+b%26c&iss=https%3A%2F%2Frelay.example"
    assert "state" not in build_redirect_url(LOCAL[0], issuer="https://relay.example", state=None, code="x")


@given(st.text(alphabet="abcXYZ019-._~", min_size=43, max_size=128), st.text(max_size=130))
def test_challenge_matches_only_its_verifier(verifier, other):
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert is_code_challenge(challenge)
    assert verify_code_challenge(verifier, challenge)
    assert verify_code_challenge(other, challenge) == (other == verifier)
    # Guards against the method `plain`, where the challenge is its own verifier.
    assert not verify_code_challenge(challenge, challenge)


@pytest.mark.parametrize("verifier", ["", "short", "x" * 42, "x" * 129, "é" * 43, "x" * 43 + "\n"])
def test_malformed_verifier_is_refused(verifier):
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert not verify_code_challenge(verifier, challenge)


@pytest.mark.parametrize("challenge", ["", "x" * 42, "x" * 44, "x" * 42 + "=", "é" * 43])
def test_malformed_challenge_is_refused(challenge):
    assert not is_code_challenge(challenge)


@pytest.mark.parametrize(
    ("requested", "parsed"),
    [
        (None, ["read", "control"]),
        ("", ["read", "control"]),
        ("read", ["read"]),
        ("control read", ["read", "control"]),
        (" read  read ", ["read"]),
    ],
)
def test_requested_scopes_are_parsed(requested, parsed):
    assert parse_scopes(requested) == parsed


@pytest.mark.parametrize("requested", ["account", "read account", "READ", "read,control", "read\0"])
def test_unknown_scopes_are_refused(requested):
    with pytest.raises(OAuthError) as caught:
        parse_scopes(requested)
    assert caught.value.error == "invalid_scope"


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("Home", "Home"),
        ("  Casa\t do\nJosé  ", "Casa do José"),
        ("", "Home Assistant"),
        ("\0\u200b\u202e", "Home Assistant"),
        ("Home\u202etxt.exe", "Hometxt.exe"),
        ("e\u0301", "é"),
        ("<b>Home</b>", "<b>Home</b>"),
        ("x" * 500, "x" * MAX_NAME_LENGTH),
    ],
)
def test_name_is_cleaned_to_one_short_visible_line(name, cleaned):
    assert clean_name(name) == cleaned


@given(st.text())
def test_cleaning_a_name_is_idempotent(name):
    cleaned = clean_name(name)
    assert cleaned.isprintable()
    assert 1 <= len(cleaned) <= MAX_NAME_LENGTH
    assert clean_name(cleaned) == cleaned


PAIR_ID, TWIN_ID = uuid4(), uuid4()


@pytest.mark.parametrize(
    ("first", "first_used_ago", "is_replaced", "pair_to_replace"),
    [
        (None, timedelta(), False, PAIR_ID),
        (None, timedelta(), True, None),
        (PAIR_ID, timedelta(days=300), False, PAIR_ID),
        (PAIR_ID, timedelta(), True, None),
        (TWIN_ID, REFRESH_RACE_WINDOW, False, TWIN_ID),
        (TWIN_ID, REFRESH_RACE_WINDOW + timedelta(microseconds=1), False, None),
        (TWIN_ID, timedelta(), True, None),
    ],
)
def test_refresh_token_is_valid_until_its_successor_is_used(first, first_used_ago, is_replaced, pair_to_replace):
    state = RefreshTokenState(pair_id=PAIR_ID, first=first, first_used_ago=first_used_ago, is_replaced=is_replaced)
    assert find_pair_to_replace(state) == pair_to_replace
