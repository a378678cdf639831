"""Standard Webhooks, from the receiving end."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relay_double import SECRET, signed

from custom_components.evconduit.client import SignatureError, is_at_or_before, verify_signature

NOW = 1_795_000_000
BODY = b'{"type":"test"}'


@given(body=st.binary(max_size=200), key=st.binary(min_size=1, max_size=64), age=st.integers(-300, 300))
def test_what_is_signed_is_believed(body: bytes, key: bytes, age: int):
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = signed(body, at=NOW - age, message_id="msg_a", secret=secret)
    assert verify_signature(secret, headers, body, now=NOW) == "msg_a"


@given(name=st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), value=st.text(max_size=60))
def test_whatever_a_header_says_instead_is_refused(name: str, value: str):
    honest = signed(BODY, at=NOW)
    if value != honest[name]:
        with pytest.raises(SignatureError):
            verify_signature(SECRET, honest | {name: value}, BODY, now=NOW)


@given(body=st.binary(max_size=60))
def test_another_body_is_refused(body: bytes):
    if body != BODY:
        with pytest.raises(SignatureError):
            verify_signature(SECRET, signed(BODY, at=NOW), body, now=NOW)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_refused(name: str):
    headers = signed(BODY, at=NOW)
    del headers[name]
    with pytest.raises(SignatureError):
        verify_signature(SECRET, headers, BODY, now=NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", "c3Nz", "whsec_ä"])
def test_without_a_good_secret_nothing_is_believed(secret: str):
    """An empty key is one that everybody has."""
    headers = signed(BODY, at=NOW, secret="whsec_")
    with pytest.raises(SignatureError):
        verify_signature(secret, headers, BODY, now=NOW)


def test_one_good_signature_among_others_is_enough():
    headers = signed(BODY, at=NOW)
    good = headers["webhook-signature"]
    for given_ in (f"v1,AAAA {good}", f"{good} v1a,AAAA", f"v2,x v1 {good}"):
        assert verify_signature(SECRET, headers | {"webhook-signature": given_}, BODY, now=NOW) == "msg_1"
    for given_ in (good.replace("v1,", "v2,"), "v1," * 9 + good, " ".join(["v1,AAAA"] * 8 + [good]), "v1,ä"):
        with pytest.raises(SignatureError):
            verify_signature(SECRET, headers | {"webhook-signature": given_}, BODY, now=NOW)


@pytest.mark.parametrize(("age", "fits"), [(300, True), (301, False), (-300, True), (-301, False)])
def test_only_messages_of_now_are_believed(age: int, *, fits: bool):
    headers = signed(BODY, at=NOW - age)
    if fits:
        verify_signature(SECRET, headers, BODY, now=NOW)
    else:
        with pytest.raises(SignatureError):
            verify_signature(SECRET, headers, BODY, now=NOW)


@pytest.mark.parametrize(
    ("cursor", "known", "told"),
    [
        *[("e1.5", "e1.5", True), ("e1.4", "e1.5", True), ("e1.10", "e1.9", False), ("e1.6", "e1.5", False)],
        *[("e2.1", "e1.5", False), ("e1.1", None, False), (None, "e1.5", False), (None, None, False)],
        *[("5", "e1.5", False), ("e1.x", "e1.5", False), ("e1.-1", "e1.5", False), ("e1.²", "e1.5", False)],
        *[("a.b.5", "a.b.6", True), ("e1." + "9" * 5000, "e1.5", False), ("", "", False)],
    ],
)
def test_what_was_told_before(cursor: str | None, known: str | None, *, told: bool):
    assert is_at_or_before(cursor, known) is told
