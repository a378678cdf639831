"""Verification of signatures according to Standard Webhooks."""

import base64
import hashlib
import hmac
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relay_double import SECRET, sign_headers

from custom_components.evconduit.client import SignatureError, is_at_or_before, verify_signature

NOW = 1_795_000_000
BODY = b'{"type":"test"}'


def assert_verification(headers: dict[str, str], *, is_accepted: bool, error: str = "") -> None:
    if is_accepted:
        assert verify_signature(SECRET, headers, BODY, now=NOW) == headers["webhook-id"]
    else:
        with pytest.raises(SignatureError, match=f"^{error or '.+'}$"):
            verify_signature(SECRET, headers, BODY, now=NOW)


@given(body=st.binary(max_size=200), key=st.binary(min_size=1, max_size=64), age=st.integers(-300, 300))
def test_valid_signature_is_accepted(body: bytes, key: bytes, age: int):
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = sign_headers(body, at=NOW - age, message_id="msg_a", secret=secret)
    assert verify_signature(secret, headers, body, now=NOW) == "msg_a"


@given(name=st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), value=st.text(max_size=60))
def test_any_other_header_value_is_rejected(name: str, value: str):
    valid = sign_headers(BODY, at=NOW)
    if value != valid[name]:
        with pytest.raises(SignatureError):
            verify_signature(SECRET, valid | {name: value}, BODY, now=NOW)


@given(body=st.binary(max_size=60))
def test_another_body_is_rejected(body: bytes):
    if body != BODY:
        with pytest.raises(SignatureError):
            verify_signature(SECRET, sign_headers(BODY, at=NOW), body, now=NOW)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_missing_header_is_rejected(name: str):
    headers = sign_headers(BODY, at=NOW)
    del headers[name]
    with pytest.raises(SignatureError, match=f"^{name}$"):
        verify_signature(SECRET, headers, BODY, now=NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", "whsec_c3Nz!", "whsec_c3N", "c3Nz", "whsec_ä"])
def test_malformed_secret_rejects_everything(secret: str):
    """Includes an empty key, with which anyone could sign."""
    headers = sign_headers(BODY, at=NOW, secret="whsec_")
    with pytest.raises(SignatureError, match=r"^malformed secret$"):
        verify_signature(secret, headers, BODY, now=NOW)


def test_one_valid_signature_among_several_is_enough():
    headers = sign_headers(BODY, at=NOW)
    good = headers["webhook-signature"]
    for given_ in (f"v1,AAAA {good}", f"{good} v1a,AAAA", f"v2,x v1 {good}"):
        assert verify_signature(SECRET, headers | {"webhook-signature": given_}, BODY, now=NOW) == "msg_1"
    for given_ in (good.replace("v1,", "v2,"), "v1," * 9 + good, " ".join(["v1,AAAA"] * 8 + [good]), "v1,ä"):
        with pytest.raises(SignatureError):
            verify_signature(SECRET, headers | {"webhook-signature": given_}, BODY, now=NOW)


@pytest.mark.parametrize(
    ("count", "is_accepted"),
    [
        pytest.param(7, True, id="the eighth signature"),
        pytest.param(8, False, id="the ninth signature"),
    ],
)
def test_number_of_signatures_is_limited(count: int, *, is_accepted: bool):
    headers = sign_headers(BODY, at=NOW)
    headers["webhook-signature"] = "v1,AAAA " * count + headers["webhook-signature"]
    assert_verification(headers, is_accepted=is_accepted, error="no matching signature")


@pytest.mark.parametrize(("length", "is_accepted"), [(2048, True), (2049, False)])
def test_length_of_a_header_is_limited(length: int, *, is_accepted: bool):
    assert_verification(sign_headers(BODY, at=NOW, message_id="m" * length), is_accepted=is_accepted)


@pytest.mark.parametrize(
    ("timestamp", "is_accepted"),
    [
        (str(NOW), True),
        (f"0{NOW}", True),
        (f"00{NOW}", False),
        (f"+{NOW}", False),
        (f"{NOW}.0", False),
        (f" {NOW}", False),
        ("1_795_000_000", False),
        (str(NOW).replace("1", "\N{ARABIC-INDIC DIGIT ONE}"), False),
    ],
)
def test_timestamp_is_a_number_of_at_most_eleven_digits(timestamp: str, *, is_accepted: bool):
    digest = hmac.digest(b"s" * 32, f"msg_1.{timestamp}.".encode() + BODY, hashlib.sha256)
    signature = f"v1,{base64.b64encode(digest).decode()}"
    headers = {"webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": signature}
    error = "malformed timestamp" if timestamp.isascii() else "webhook-timestamp"
    assert_verification(headers, is_accepted=is_accepted, error=error)


def test_timestamp_is_compared_with_the_current_time():
    assert verify_signature(SECRET, sign_headers(BODY, at=time.time()), BODY) == "msg_1"
    with pytest.raises(SignatureError):
        verify_signature(SECRET, sign_headers(BODY, at=time.time() - 600), BODY)


@pytest.mark.parametrize(("age", "is_accepted"), [(300, True), (301, False), (-300, True), (-301, False)])
def test_timestamp_is_accepted_only_within_the_tolerance(age: int, *, is_accepted: bool):
    assert_verification(sign_headers(BODY, at=NOW - age), is_accepted=is_accepted, error="timestamp out of tolerance")


@pytest.mark.parametrize(
    ("cursor", "position", "expected"),
    [
        *[("e1.5", "e1.5", True), ("e1.4", "e1.5", True), ("e1.10", "e1.9", False), ("e1.6", "e1.5", False)],
        *[("e2.1", "e1.5", False), ("e1.1", None, False), (None, "e1.5", False), (None, None, False)],
        *[("5", "e1.5", False), ("e1.x", "e1.5", False), ("e1.-1", "e1.5", False), ("e1.²", "e1.5", False)],
        *[("e1.5", "5", False), (".5", ".6", False), ("e1.", "e1.5", False), ("e1.5", "e1.", False)],
        *[("e1." + "9" * 19, "e1." + "9" * 19, True), ("e1." + "9" * 20, "e1." + "9" * 20, False)],
        *[("a.b.5", "a.b.6", True), ("e1.05", "e1.5", True), ("e1." + "9" * 5000, "e1.5", False), ("", "", False)],
    ],
)
def test_is_at_or_before(cursor: str | None, position: str | None, *, expected: bool):
    assert is_at_or_before(cursor, position) is expected
