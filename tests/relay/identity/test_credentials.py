import hashlib

import pytest

from relay.identity.credentials import key_hash, key_prefix, new_key, read_bearer


def test_new_keys_are_long_random_and_read_back():
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(read_bearer(f"Bearer {key}") == key for key in keys)


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
    assert read_bearer("bearer " + "0aF" * 21 + "0") == "0aF" * 21 + "0"
