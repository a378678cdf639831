"""Verification of Supabase access tokens, and how rarely the signing keys are fetched."""

import asyncio
import base64
import json
import time
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.gateways.supabase.errors import SupabaseUnavailable
from relay.gateways.supabase.signing_keys import MIN_FETCH_INTERVAL_SECONDS, RETRY_INTERVAL_SECONDS, SigningKeys
from relay.gateways.supabase.token_verifier import TokenVerifier
from tests.relay.support.supabase.double import SigningKey
from tests.relay.support.supabase.flows import SupabaseAccount

ACCOUNT = SupabaseAccount("anna@example.org", metadata={"full_name": " Anna\n B "})
JWKS_PATH = "/.well-known/jwks.json"


async def test_valid_token_yields_its_user(supabase, client):
    user = await client.token_verifier.verify(supabase.sign_token(ACCOUNT))
    assert (str(user.supabase_id), user.email, user.name) == (ACCOUNT.id, "anna@example.org", "Anna B")
    assert "anna" not in repr(user)


async def test_user_without_email_is_accepted(supabase, client):
    user = await client.token_verifier.verify(
        supabase.sign_token(ACCOUNT, email="", user_metadata=None, is_anonymous=None)
    )
    assert (user.email, user.name) == (None, "")


@pytest.mark.parametrize(
    "claims_to_change",
    [
        {"exp": 1},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": None},
        {"iat": 2**33},
        {"nbf": 2**33},
        {"iss": "https://another.supabase.co/auth/v1"},
        {"iss": None},
        {"aud": "anon"},
        {"aud": ["anon", "service_role"]},
        {"aud": None},
        {"sub": "anna"},
        {"sub": None},
        {"sub": 7},
        {"role": "service_role"},
        {"role": "anon"},
        {"role": None},
        {"is_anonymous": True},
        {"is_anonymous": "false"},
    ],
    ids=str,
)
async def test_signed_token_with_wrong_claims_is_invalid(supabase, client, claims_to_change):
    assert await client.token_verifier.verify(supabase.sign_token(ACCOUNT, **claims_to_change)) is None


@pytest.mark.parametrize(("late", "good"), [(20, True), (45, False)])
async def test_clock_skew_of_half_a_minute_is_tolerated(supabase, client, late, good):
    token = supabase.sign_token(ACCOUNT, exp=int(time.time()) - late)
    assert (await client.token_verifier.verify(token) is not None) == good


async def test_forged_tokens_are_invalid(supabase, client):
    good = supabase.sign_token(ACCOUNT)
    claims = jwt.decode(good, options={"verify_signature": False})
    kid = {"kid": supabase.signing_key.kid}
    public = supabase.signing_key.private.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head, body, signature = good.split(".")

    def encode_part(part):
        return (
            base64.urlsafe_b64encode(part if isinstance(part, bytes) else json.dumps(part).encode())
            .rstrip(b"=")
            .decode()
        )

    def sign_with_hmac(secret, algorithm="HS256"):
        # Signed by hand, because the library refuses a public key as an HMAC secret.
        signing = f"{encode_part({'alg': algorithm, 'typ': 'JWT', **kid})}.{body}"
        made = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
        return f"{signing}.{encode_part(made.sign(signing.encode(), secret))}"

    forged = [
        jwt.encode(claims, None, algorithm="none", headers=kid),
        f"{encode_part({'alg': 'none', **kid})}.{body}.{signature}",
        f"{encode_part({'alg': 'None', **kid})}.{body}.",
        sign_with_hmac(pem),
        sign_with_hmac(pem.strip()),
        sign_with_hmac(json.dumps(supabase.signing_key.jwk).encode()),
        sign_with_hmac(pem, "ES256"),
        f"{encode_part({'alg': 'ES256'})}.{body}.{signature}",
        jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers=kid),
        jwt.encode(claims, ec.generate_private_key(ec.SECP384R1()), algorithm="ES384", headers=kid),
        f"{head}.{encode_part({**claims, 'sub': str(uuid4())})}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{encode_part([1])}.{body}.{signature}",
        f"{encode_part({'alg': ['ES256'], **kid})}.{body}.{signature}",
        good + "=" * 20_000,
        "",
        "..",
    ]
    assert await client.token_verifier.verify(good) is not None
    assert [await client.token_verifier.verify(delivery) for delivery in forged] == [None] * len(forged)
    assert supabase.count_requests(JWKS_PATH) == 1


async def test_key_in_the_token_header_is_ignored(supabase, client):
    attacker_key = SigningKey()
    attacker_key.kid = supabase.signing_key.kid
    token = supabase.sign_token(
        ACCOUNT, key=attacker_key, headers={"jwk": attacker_key.jwk, "jku": "http://127.0.0.1:9/jwks.json"}
    )
    assert await client.token_verifier.verify(token) is None


@given(st.text() | st.binary().map(lambda data: ".".join([base64.urlsafe_b64encode(data).decode()] * 3)))
@settings(max_examples=200)
def test_arbitrary_text_is_invalid(text):
    async def verify():
        async def fetch_no_keys():
            return {"keys": []}

        return await TokenVerifier(SigningKeys(fetch_no_keys), issuer="https://x.example").verify(text)

    assert asyncio.run(verify()) is None


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(client):
    client.signing_keys._monotonic = clock = Clock()
    return clock


async def test_many_unknown_key_ids_cause_one_fetch(supabase, client, clock):
    tokens = [supabase.sign_token(ACCOUNT, headers={"kid": str(uuid4())}) for _ in range(100)]
    assert await asyncio.gather(*map(client.token_verifier.verify, tokens)) == [None] * 100
    assert [await client.token_verifier.verify(token) for token in tokens] == [None] * 100
    assert supabase.count_requests(JWKS_PATH) == 1


async def test_new_key_is_fetched_after_the_minimum_interval(supabase, client, clock):
    assert await client.token_verifier.verify(supabase.sign_token(ACCOUNT)) is not None
    newer = SigningKey()
    supabase.published_keys = [newer.jwk, supabase.signing_key.jwk]
    assert await client.token_verifier.verify(supabase.sign_token(ACCOUNT, key=newer)) is None
    clock.now += MIN_FETCH_INTERVAL_SECONDS
    assert await client.token_verifier.verify(supabase.sign_token(ACCOUNT, key=newer)) is not None
    assert await client.token_verifier.verify(supabase.sign_token(ACCOUNT)) is not None
    assert supabase.count_requests(JWKS_PATH) == 2


async def test_withdrawn_key_is_refused_after_the_next_fetch(supabase, client, clock):
    token = supabase.sign_token(ACCOUNT)
    assert await client.token_verifier.verify(token) is not None
    supabase.published_keys = [SigningKey().jwk]
    clock.now += 3600
    assert await client.token_verifier.verify(token) is not None  # starts a fetch in the background
    await client.signing_keys._fetch_task
    assert await client.token_verifier.verify(token) is None


async def test_outage_keeps_known_keys_and_raises_unavailable_for_unknown_ones(supabase, client, clock):
    token, other = supabase.sign_token(ACCOUNT), supabase.sign_token(ACCOUNT, headers={"kid": "another"})
    assert await client.token_verifier.verify(token) is not None
    supabase.is_down = True
    clock.now += 24 * 3600
    assert await client.token_verifier.verify(token) is not None
    with pytest.raises(SupabaseUnavailable):
        await client.token_verifier.verify(other)
    assert await client.token_verifier.verify(token) is not None
    supabase.is_down = False
    clock.now += RETRY_INTERVAL_SECONDS
    assert await client.token_verifier.verify(other) is None


async def test_without_any_keys_verification_raises_unavailable(supabase, client, clock):
    supabase.is_down = True
    for _ in range(50):
        with pytest.raises(SupabaseUnavailable):
            await client.token_verifier.verify(supabase.sign_token(ACCOUNT))
    assert supabase.count_requests(JWKS_PATH) == 1
    supabase.is_down = False
    clock.now += RETRY_INTERVAL_SECONDS
    assert await client.token_verifier.verify(supabase.sign_token(ACCOUNT)) is not None


async def test_cancelled_caller_does_not_cancel_the_shared_fetch(supabase, client):
    first = asyncio.create_task(client.token_verifier.verify(supabase.sign_token(ACCOUNT)))
    second = asyncio.create_task(client.token_verifier.verify(supabase.sign_token(ACCOUNT)))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is not None
    assert supabase.count_requests(JWKS_PATH) == 1


@pytest.mark.parametrize("published", [{}, {"keys": "all"}])
async def test_malformed_key_set_raises_unavailable(published):
    async def fetch():
        return published

    keys = SigningKeys(fetch)
    with pytest.raises(SupabaseUnavailable):
        await keys.find("any")


async def test_unsupported_keys_in_the_set_are_ignored(supabase):
    key = SigningKey()
    invalid_keys = [7, {}, {"kid": "a", "alg": "ES256", "kty": "EC", "crv": "P-256", "x": "!", "y": "?"}]
    shared = {"kid": "old", "kty": "oct", "k": base64.urlsafe_b64encode(b"k" * 32).decode()}
    wrong_curve = {
        **jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True)
    }

    async def fetch():
        return {"keys": [*invalid_keys, shared, {**wrong_curve, "kid": "curve"}, key.jwk]}

    keys = SigningKeys(fetch)
    assert await keys.find(key.kid) is not None
    assert [await keys.find(text) for text in ("a", "old", "curve")] == [None] * 3
