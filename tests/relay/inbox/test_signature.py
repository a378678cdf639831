"""Verification of the signature of Enode's deliveries."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.inbox.signature import has_valid_signature

BODY, SECRET = b'{"payload":"example"}', "example-secret"
SIGNATURE = "sha1=e417e6fc2e7f8a78c93a35a7b344d36ce179fc8d"  # Enode's own test vector


def test_enodes_own_example_is_valid():
    assert has_valid_signature(BODY, SIGNATURE, [SECRET])


def test_sha256_signatures_are_verified_with_sha256():
    sha256_digest = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
    assert has_valid_signature(BODY, f"sha256={sha256_digest}", [SECRET])
    assert not has_valid_signature(BODY, f"sha1={sha256_digest}", [SECRET])
    assert not has_valid_signature(BODY, f"sha256={SIGNATURE.removeprefix('sha1=')}", [SECRET])


def test_each_configured_secret_is_valid_and_no_other():
    assert has_valid_signature(BODY, SIGNATURE, ["new", SECRET])
    assert not has_valid_signature(BODY, SIGNATURE, ["new", "newer"])
    assert not has_valid_signature(BODY, SIGNATURE, [])


def test_empty_secret_verifies_nothing():
    forged = hmac.new(b"", BODY, hashlib.sha1).hexdigest()
    assert not has_valid_signature(BODY, f"sha1={forged}", [""])
    assert has_valid_signature(BODY, SIGNATURE, ["", SECRET])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha1",
        "sha1=",
        "=",
        SIGNATURE.removeprefix("sha1="),
        "md5=" + SIGNATURE.removeprefix("sha1="),
        SIGNATURE[:-1],
        SIGNATURE + "0",
        SIGNATURE + ", " + SIGNATURE,
        "sha1=é",
        "sha1=\udcff",
    ],
)
def test_malformed_headers_are_invalid(header):
    assert not has_valid_signature(BODY, header, [SECRET])


def test_upper_case_digits_and_algorithm_are_accepted():
    assert has_valid_signature(BODY, "SHA1=" + SIGNATURE.removeprefix("sha1=").upper(), [SECRET])


@given(st.binary(max_size=200), st.text(st.characters(codec="utf-8"), min_size=1), st.sampled_from(["sha1", "sha256"]))
def test_valid_signature_verifies_and_any_change_invalidates_it(body, secret, algorithm):
    header = f"{algorithm}={hmac.new(secret.encode(), body, algorithm).hexdigest()}"
    assert has_valid_signature(body, header, [secret])
    assert not has_valid_signature(body + b" ", header, [secret])
    assert not has_valid_signature(body, header, [secret + "x"])


@given(st.text(), st.binary(max_size=50))
def test_no_header_raises_an_exception(header, body):
    assert not has_valid_signature(body, header, [SECRET])
