import json
import time
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from relay.delivery.signing import create_signed_headers, derive_endpoint_secret, derive_message_id, encode_secret

ENDPOINT = UUID(int=7)
SECRET = derive_endpoint_secret(b"key", ENDPOINT, b"salt")


def signed(body: bytes, *, at: int | None = None) -> dict[str, str]:
    now = int(time.time()) if at is None else at
    return dict(create_signed_headers(SECRET, derive_message_id(ENDPOINT, body), body, timestamp=now))


@given(st.dictionaries(st.text(), st.text()))
def test_the_standard_s_own_library_accepts_what_we_sign(content):
    body = json.dumps(content).encode()
    assert Webhook(encode_secret(SECRET)).verify(body, signed(body)) == content


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"a": 2}', {}),
        (b'{"a": 1}', {"webhook-id": "msg_other"}),
        (b'{"a": 1}', {"webhook-timestamp": str(int(time.time()) - 1)}),
        (b'{"a": 1}', {"webhook-signature": "v1,AAAA"}),
    ],
)
def test_and_refuses_what_was_touched(body, headers):
    with pytest.raises(WebhookVerificationError):
        Webhook(encode_secret(SECRET)).verify(body, signed(b'{"a": 1}') | headers)


def test_what_is_old_is_refused():
    with pytest.raises(WebhookVerificationError):
        Webhook(encode_secret(SECRET)).verify(b"{}", signed(b"{}", at=int(time.time()) - 301))


def test_a_secret_is_one_endpoint_s_alone():
    others = [
        derive_endpoint_secret(b"another", ENDPOINT, b"salt"),
        derive_endpoint_secret(b"key", uuid4(), b"salt"),
        derive_endpoint_secret(b"key", ENDPOINT, b"salt2"),
    ]
    assert derive_endpoint_secret(b"key", ENDPOINT, b"salt") == SECRET
    assert len({SECRET, *others}) == 4
    assert len(SECRET) == 32


def test_the_same_bytes_to_the_same_endpoint_are_the_same_message():
    assert derive_message_id(ENDPOINT, b"{}") == derive_message_id(ENDPOINT, b"{}")
    assert (
        len(
            {
                derive_message_id(ENDPOINT, b"{}"),
                derive_message_id(ENDPOINT, b"{ }"),
                derive_message_id(UUID(int=8), b"{}"),
            }
        )
        == 3
    )
