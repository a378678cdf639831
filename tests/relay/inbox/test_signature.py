import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.inbox.signature import has_valid_signature

BODY, SECRET = b'{"payload":"example"}', "example-secret"
GOOD = "sha1=e417e6fc2e7f8a78c93a35a7b344d36ce179fc8d"  # Enode's own test vector


def test_enode_s_own_example():
    assert has_valid_signature(BODY, GOOD, [SECRET])


def test_sha256_is_verified_as_such():
    good = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
    assert has_valid_signature(BODY, f"sha256={good}", [SECRET])
    assert not has_valid_signature(BODY, f"sha1={good}", [SECRET])
    assert not has_valid_signature(BODY, f"sha256={GOOD.removeprefix('sha1=')}", [SECRET])


def test_the_previous_secret_still_counts_and_any_other_does_not():
    assert has_valid_signature(BODY, GOOD, ["new", SECRET])
    assert not has_valid_signature(BODY, GOOD, ["new", "newer"])
    assert not has_valid_signature(BODY, GOOD, [])


def test_an_empty_secret_verifies_nothing():
    forged = hmac.new(b"", BODY, hashlib.sha1).hexdigest()
    assert not has_valid_signature(BODY, f"sha1={forged}", [""])
    assert has_valid_signature(BODY, GOOD, ["", SECRET])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha1",
        "sha1=",
        "=",
        GOOD.removeprefix("sha1="),
        "md5=" + GOOD.removeprefix("sha1="),
        GOOD[:-1],
        GOOD + "0",
        GOOD + ", " + GOOD,
        "sha1=é",
        "sha1=\udcff",
    ],
)
def test_odd_headers_are_just_not_signatures(header):
    assert not has_valid_signature(BODY, header, [SECRET])


def test_capital_hexadecimal_digits_are_the_same_number():
    assert has_valid_signature(BODY, "SHA1=" + GOOD.removeprefix("sha1=").upper(), [SECRET])


@given(st.binary(max_size=200), st.text(st.characters(codec="utf-8"), min_size=1), st.sampled_from(["sha1", "sha256"]))
def test_what_was_signed_verifies_and_a_changed_bit_does_not(body, secret, algorithm):
    header = f"{algorithm}={hmac.new(secret.encode(), body, algorithm).hexdigest()}"
    assert has_valid_signature(body, header, [secret])
    assert not has_valid_signature(body + b" ", header, [secret])
    assert not has_valid_signature(body, header, [secret + "x"])


@given(st.text(), st.binary(max_size=50))
def test_no_header_raises(header, body):
    assert not has_valid_signature(body, header, [SECRET])
