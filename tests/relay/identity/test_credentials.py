import hashlib

import pytest

from relay.identity.credentials import Credential, key_hash, key_prefix, new_key, new_secret, read_bearer, read_jwt


def test_new_keys_are_long_random_and_read_back():
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {read_bearer(f"Bearer {key}").lookup for key in keys} == {key_hash(key) for key in keys}


def test_what_is_stored_does_not_contain_the_key():
    key = new_key()
    assert key_hash(key) == hashlib.sha256(key.encode()).digest()
    assert len(key_prefix(key)) == 12


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
def test_anything_else_is_no_key(header):
    assert read_bearer(header) is None


def test_classic_keys_are_accepted_whatever_the_scheme_s_case():
    key = "0aF" * 21 + "0"
    assert read_bearer("bearer " + key) == Credential(kind="key", lookup=key_hash(key))


def test_an_access_token_is_told_from_a_key():
    token = new_secret("eva_")
    assert read_bearer(f"Bearer {token}") == Credential(kind="access", lookup=key_hash(token))
    assert read_bearer(f"Bearer {new_secret('evr_')}") is None


def test_no_secret_is_seen_where_a_credential_is_printed():
    assert "lookup" not in repr(read_bearer(f"Bearer {new_key()}"))


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
def test_what_has_the_form_of_a_json_web_token_is_taken_for_one(header, token):
    assert read_jwt(header) == token
