import hashlib

import pytest

from relay.identity.credentials import (
    Credential,
    generate_api_key,
    generate_secret,
    get_key_prefix,
    hash_secret,
    parse_bearer_credential,
    parse_bearer_jwt,
)


def test_new_keys_are_random_and_can_be_parsed():
    keys = {generate_api_key() for _ in range(100)}
    assert len(keys) == 100
    assert {parse_bearer_credential(f"Bearer {key}").lookup for key in keys} == {hash_secret(key) for key in keys}


def test_stored_values_do_not_contain_the_key():
    key = generate_api_key()
    assert hash_secret(key) == hashlib.sha256(key.encode()).digest()
    assert len(get_key_prefix(key)) == 12


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer evc_short",
        "Basic evc_" + "a" * 43,
        "evc_" + "a" * 43,
        "Bearer evc_" + "ä" * 43,
        "Bearer " + "g" * 64,
        "Bearer evc_" + "a" * 43 + "\x00",
        "Bearer eyJhbGciOiJub25lIn0.e30.",
    ],
)
def test_other_headers_contain_no_key(header):
    assert parse_bearer_credential(header) is None


def test_classic_keys_are_accepted_with_the_scheme_in_any_case():
    key = "0aF" * 21 + "0"
    assert parse_bearer_credential("bearer " + key) == Credential(kind="key", lookup=hash_secret(key))


def test_access_tokens_and_keys_are_distinguished():
    token = generate_secret("eva_")
    assert parse_bearer_credential(f"Bearer {token}") == Credential(kind="access", lookup=hash_secret(token))
    assert parse_bearer_credential(f"Bearer {generate_secret('evr_')}") is None


def test_repr_of_a_credential_contains_no_secret():
    assert "lookup" not in repr(parse_bearer_credential(f"Bearer {generate_api_key()}"))


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer aa.bb.cc", "aa.bb.cc"),
        ("Bearer aa.bb.", "aa.bb."),
        ("Bearer aa.bb", None),
        ("Bearer aa.b b.cc", None),
        ("Bearer aa.bb.cc.dd", None),
        ("Basic aa.bb.cc", None),
        ("Bearer " + "a" * 5000 + ".bb.cc", None),
        (None, None),
    ],
)
def test_strings_in_jwt_format_are_parsed_as_jwt(header, token):
    assert parse_bearer_jwt(header) == token
