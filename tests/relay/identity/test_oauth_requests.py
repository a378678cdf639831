"""Home Assistant's authorization request: what is accepted, where errors go, and the signed copy in the form."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from relay.identity import oauth_requests
from relay.identity.oauth import MY_HOME_ASSISTANT
from relay.identity.oauth_requests import (
    AuthorizationRequest,
    RedirectableOAuthError,
    UnsafeRedirectError,
    parse_authorization_request,
    sign_request,
    verify_signed_request,
)

CHALLENGE = "A" * 43
VALID = {
    "client_id": "home-assistant",
    "redirect_uri": MY_HOME_ASSISTANT,
    "response_type": "code",
    "state": "s",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
    "name": "Home",
    "scope": "read",
}
USER, KEY = UUID(int=1), b"key"


def parse(*repeated, allow_local=False, **changes):
    parameters = {name: value for name, value in (VALID | changes).items() if value is not None}
    return parse_authorization_request([*parameters.items(), *repeated], allow_local=allow_local)


def test_valid_request_is_parsed():
    assert parse() == AuthorizationRequest(
        client_id="home-assistant",
        redirect_uri=MY_HOME_ASSISTANT,
        state="s",
        code_challenge=CHALLENGE,
        scopes=["read"],
        name="Home",
        installation=None,
    )


@pytest.mark.parametrize(
    ("changes", "attribute", "expected"),
    [
        ({"state": None}, "state", None),
        ({"state": ""}, "state", None),
        ({"state": "~" * 2000}, "state", "~" * 2000),
        ({"installation": "i" * 100}, "installation", "i" * 100),
        ({"installation": ""}, "installation", None),
        ({"name": None}, "name", "Home Assistant"),
        ({"scope": None}, "scopes", ["read", "control"]),
        ({"scope": "control read"}, "scopes", ["read", "control"]),
        ({"response_mode": "query"}, "state", "s"),
        ({"unknown": "x"}, "state", "s"),
    ],
)
def test_optional_parameters(changes, attribute, expected):
    assert getattr(parse(**changes), attribute) == expected


LOCAL = "http://ha.lan:8123/auth/external/callback"


@pytest.mark.parametrize(
    ("changes", "repeated", "reason"),
    [
        ({"client_id": None}, (), "client"),
        ({"client_id": "other"}, (), "client"),
        ({}, (("client_id", "home-assistant"),), "client"),
        ({"redirect_uri": None}, (), "redirect"),
        ({"redirect_uri": "https://evil.example/"}, (), "redirect"),
        ({"redirect_uri": LOCAL}, (), "redirect"),
        ({}, (("redirect_uri", MY_HOME_ASSISTANT),), "redirect"),
    ],
)
def test_browser_is_not_redirected_to_an_unverified_address(changes, repeated, reason):
    with pytest.raises(UnsafeRedirectError, match=f"^{reason}$"):
        parse(*repeated, **changes)


def test_local_address_is_accepted_where_it_is_allowed():
    assert parse(redirect_uri=LOCAL, allow_local=True).redirect_uri == LOCAL


@pytest.mark.parametrize(
    ("changes", "repeated", "error", "state"),
    [
        ({"response_type": None}, (), "unsupported_response_type", "s"),
        ({"response_type": "token"}, (), "unsupported_response_type", "s"),
        ({"response_mode": "fragment"}, (), "invalid_request", "s"),
        ({"code_challenge": None}, (), "invalid_request", "s"),
        ({"code_challenge": "A" * 42}, (), "invalid_request", "s"),
        ({"code_challenge_method": None}, (), "invalid_request", "s"),
        ({"code_challenge_method": "plain"}, (), "invalid_request", "s"),
        ({"scope": "account"}, (), "invalid_scope", "s"),
        ({"installation": "i" * 101}, (), "invalid_request", "s"),
        ({"installation": "é"}, (), "invalid_request", "s"),
        ({"state": "x" * 2001}, (), "invalid_request", None),
        ({"state": "é"}, (), "invalid_request", None),
        ({"state": "\n"}, (), "invalid_request", None),
        ({}, (("state", "other"),), "invalid_request", None),
        ({}, (("scope", "read"),), "invalid_request", "s"),
        ({"scope": None, "unknown": "1"}, (("unknown", "2"),), "invalid_request", "s"),
    ],
)
def test_other_errors_are_sent_to_the_client(changes, repeated, error, state):
    with pytest.raises(RedirectableOAuthError) as raised:
        parse(*repeated, **changes)
    assert (raised.value.error, raised.value.redirect_uri, raised.value.state) == (error, MY_HOME_ASSISTANT, state)


def test_empty_parameters_count_as_absent():
    assert parse(("scope", ""), ("state", "")) == parse()


def test_signed_request_is_valid_only_for_its_user_and_key():
    request = parse(installation="i")
    signed = sign_request(request, USER, KEY)
    assert verify_signed_request(signed, USER, KEY) == request
    assert verify_signed_request(signed, UUID(int=2), KEY) is None
    assert verify_signed_request(signed, USER, b"other") is None


def test_altered_request_is_refused():
    encoded, _, signature = sign_request(parse(), USER, KEY).partition(".")
    altered = urlsafe_b64encode(urlsafe_b64decode(encoded).replace(b'["read"]', b'["control"]')).decode()
    assert altered != encoded
    for wrong in (
        f"{altered}.{signature}",
        f"{encoded}.{signature[:-1]}",
        f"{encoded}.",
        encoded,
        "",
        ".",
        "é.é",
        f"{encoded}.\udcff",
        "A.x",
    ):
        assert verify_signed_request(wrong, USER, KEY) is None


@pytest.mark.parametrize(
    ("passed", "is_valid"), [(timedelta(minutes=14), True), (timedelta(minutes=15, seconds=1), False)]
)
def test_user_has_fifteen_minutes_to_answer(monkeypatch, passed, is_valid):
    signed = sign_request(parse(), USER, KEY)

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + passed

    monkeypatch.setattr(oauth_requests, "datetime", Later)
    assert (verify_signed_request(signed, USER, KEY) is not None) is is_valid
    assert Later.now(UTC) > datetime.now(UTC)
