import base64
import hashlib
import hmac
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


def sign(body: bytes, *, timestamp: int | None = None) -> dict[str, str]:
    now = int(time.time()) if timestamp is None else timestamp
    return dict(create_signed_headers(SECRET, derive_message_id(ENDPOINT, body), body, timestamp=now))


@given(st.dictionaries(st.text(), st.text()))
def test_standardwebhooks_library_verifies_our_signatures(content):
    body = json.dumps(content).encode()
    assert Webhook(encode_secret(SECRET)).verify(body, sign(body)) == content


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"a": 2}', {}),
        (b'{"a": 1}', {"webhook-id": "msg_other"}),
        (b'{"a": 1}', {"webhook-timestamp": str(int(time.time()) - 1)}),
        (b'{"a": 1}', {"webhook-signature": "v1,AAAA"}),
    ],
)
def test_changed_body_or_headers_fail_verification(body, headers):
    with pytest.raises(WebhookVerificationError):
        Webhook(encode_secret(SECRET)).verify(body, sign(b'{"a": 1}') | headers)


def test_old_timestamp_fails_verification():
    with pytest.raises(WebhookVerificationError):
        Webhook(encode_secret(SECRET)).verify(b"{}", sign(b"{}", timestamp=int(time.time()) - 301))


def test_secret_depends_on_key_endpoint_and_salt():
    others = [
        derive_endpoint_secret(b"another", ENDPOINT, b"salt"),
        derive_endpoint_secret(b"key", uuid4(), b"salt"),
        derive_endpoint_secret(b"key", ENDPOINT, b"salt2"),
    ]
    assert derive_endpoint_secret(b"key", ENDPOINT, b"salt") == SECRET
    assert len({SECRET, *others}) == 4
    assert len(SECRET) == 32


def test_message_id_depends_on_endpoint_and_exact_bytes():
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


def test_secret_and_message_id_never_change_for_the_same_endpoint():
    """They are derived again at every start: another derivation would make every registered endpoint refuse us."""
    context = b"evconduit/endpoint-secret/1\0" + ENDPOINT.bytes + b"salt"
    secret = hmac.new(b"key", context, hashlib.sha256).digest()
    assert secret == SECRET
    assert encode_secret(secret) == "whsec_" + base64.b64encode(secret).decode()
    digest = hashlib.sha256(ENDPOINT.bytes + b"{}").digest()
    assert derive_message_id(ENDPOINT, b"{}") == "msg_" + base64.urlsafe_b64encode(digest)[:24].decode()


def test_headers_have_the_names_of_standard_webhooks():
    headers = create_signed_headers(b"secret", "msg_1", b"{}", timestamp=1_700_000_000)
    signature = hmac.new(b"secret", b"msg_1.1700000000.{}", hashlib.sha256).digest()
    assert headers == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": "v1," + base64.b64encode(signature).decode(),
        "Content-Type": "application/json",
    }
