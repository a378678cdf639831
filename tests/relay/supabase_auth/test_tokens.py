"""Which tokens prove who somebody is, and how seldom Supabase is asked about its keys."""

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
from tests.relay.supabase_auth.double import SigningKey
from tests.relay.supabase_auth.flows import Somebody

ANNA = Somebody("anna@example.org", about={"full_name": " Anna\n B "})
KEYS_AT = "/.well-known/jwks.json"


async def test_a_token_tells_who_it_is(supabase, client):
    person = await client.token_verifier.verify(supabase.sign(ANNA))
    assert (str(person.supabase_id), person.email, person.name) == (ANNA.id, "anna@example.org", "Anna B")
    assert "anna" not in repr(person)


async def test_who_came_by_another_way_may_have_no_address(supabase, client):
    person = await client.token_verifier.verify(supabase.sign(ANNA, email="", user_metadata=None, is_anonymous=None))
    assert (person.email, person.name) == (None, "")


@pytest.mark.parametrize(
    "wrong",
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
async def test_a_token_that_is_signed_but_wrong_is_nobody(supabase, client, wrong):
    assert await client.token_verifier.verify(supabase.sign(ANNA, **wrong)) is None


@pytest.mark.parametrize(("late", "good"), [(20, True), (45, False)])
async def test_clocks_may_differ_by_half_a_minute(supabase, client, late, good):
    token = supabase.sign(ANNA, exp=int(time.time()) - late)
    assert (await client.token_verifier.verify(token) is not None) == good


async def test_tokens_that_supabase_did_not_sign_are_nobody(supabase, client):
    good = supabase.sign(ANNA)
    claims = jwt.decode(good, options={"verify_signature": False})
    kid = {"kid": supabase.signing.kid}
    public = supabase.signing.private.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head, body, signature = good.split(".")

    def part(it):
        return base64.urlsafe_b64encode(it if isinstance(it, bytes) else json.dumps(it).encode()).rstrip(b"=").decode()

    def hmac_signed(secret, algorithm="HS256"):
        # By hand: the library rightly refuses to sign with what looks like a public key.
        signing = f"{part({'alg': algorithm, 'typ': 'JWT', **kid})}.{body}"
        made = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
        return f"{signing}.{part(made.sign(signing.encode(), secret))}"

    forged = [
        jwt.encode(claims, None, algorithm="none", headers=kid),
        f"{part({'alg': 'none', **kid})}.{body}.{signature}",
        f"{part({'alg': 'None', **kid})}.{body}.",
        hmac_signed(pem),
        hmac_signed(pem.strip()),
        hmac_signed(json.dumps(supabase.signing.jwk).encode()),
        hmac_signed(pem, "ES256"),
        f"{part({'alg': 'ES256'})}.{body}.{signature}",
        jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers=kid),
        jwt.encode(claims, ec.generate_private_key(ec.SECP384R1()), algorithm="ES384", headers=kid),
        f"{head}.{part({**claims, 'sub': str(uuid4())})}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{part([1])}.{body}.{signature}",
        f"{part({'alg': ['ES256'], **kid})}.{body}.{signature}",
        good + "=" * 20_000,
        "",
        "..",
    ]
    assert await client.token_verifier.verify(good) is not None
    assert [await client.token_verifier.verify(it) for it in forged] == [None] * len(forged)
    assert supabase.asked(KEYS_AT) == 1


async def test_a_key_that_the_token_brings_along_is_not_looked_at(supabase, client):
    own = SigningKey()
    own.kid = supabase.signing.kid
    token = supabase.sign(ANNA, key=own, headers={"jwk": own.jwk, "jku": "http://127.0.0.1:9/jwks.json"})
    assert await client.token_verifier.verify(token) is None


@given(st.text() | st.binary().map(lambda it: ".".join([base64.urlsafe_b64encode(it).decode()] * 3)))
@settings(max_examples=200, deadline=None)
def test_no_text_is_more_than_nobody(text):
    async def look():
        async def none():
            return {"keys": []}

        return await TokenVerifier(SigningKeys(none), issuer="https://x.example").verify(text)

    assert asyncio.run(look()) is None


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(client):
    client.signing_keys._monotonic = it = Clock()
    return it


async def test_a_storm_of_unknown_keys_is_one_fetch(supabase, client, clock):
    tokens = [supabase.sign(ANNA, headers={"kid": str(uuid4())}) for _ in range(100)]
    assert await asyncio.gather(*map(client.tokens.person, tokens)) == [None] * 100
    assert [await client.token_verifier.verify(it) for it in tokens] == [None] * 100
    assert supabase.asked(KEYS_AT) == 1


async def test_a_new_key_is_found_but_only_after_a_pause(supabase, client, clock):
    assert await client.token_verifier.verify(supabase.sign(ANNA)) is not None
    newer = SigningKey()
    supabase.published = [newer.jwk, supabase.signing.jwk]
    assert await client.token_verifier.verify(supabase.sign(ANNA, key=newer)) is None
    clock.now += MIN_FETCH_INTERVAL_SECONDS
    assert await client.token_verifier.verify(supabase.sign(ANNA, key=newer)) is not None
    assert await client.token_verifier.verify(supabase.sign(ANNA)) is not None
    assert supabase.asked(KEYS_AT) == 2


async def test_a_withdrawn_key_is_refused_once_the_keys_are_fetched_again(supabase, client, clock):
    token = supabase.sign(ANNA)
    assert await client.token_verifier.verify(token) is not None
    supabase.published = [SigningKey().jwk]
    clock.now += 3600
    assert await client.token_verifier.verify(token) is not None  # nobody waits for the fetch that this begins
    await client.signing_keys._fetch_task
    assert await client.token_verifier.verify(token) is None


async def test_while_supabase_is_away_known_keys_go_on_and_unknown_ones_are_nobodys_fault(supabase, client, clock):
    token, other = supabase.sign(ANNA), supabase.sign(ANNA, headers={"kid": "another"})
    assert await client.token_verifier.verify(token) is not None
    supabase.down = True
    clock.now += 24 * 3600
    assert await client.token_verifier.verify(token) is not None
    with pytest.raises(SupabaseUnavailable):
        await client.token_verifier.verify(other)
    assert await client.token_verifier.verify(token) is not None
    supabase.down = False
    clock.now += RETRY_INTERVAL_SECONDS
    assert await client.token_verifier.verify(other) is None


async def test_without_any_key_nobody_is_called_a_liar(supabase, client, clock):
    supabase.down = True
    for _ in range(50):
        with pytest.raises(SupabaseUnavailable):
            await client.token_verifier.verify(supabase.sign(ANNA))
    assert supabase.asked(KEYS_AT) == 1
    supabase.down = False
    clock.now += RETRY_INTERVAL_SECONDS
    assert await client.token_verifier.verify(supabase.sign(ANNA)) is not None


async def test_a_caller_who_leaves_takes_the_fetch_from_nobody(supabase, client):
    first = asyncio.create_task(client.token_verifier.verify(supabase.sign(ANNA)))
    second = asyncio.create_task(client.token_verifier.verify(supabase.sign(ANNA)))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is not None
    assert supabase.asked(KEYS_AT) == 1


@pytest.mark.parametrize("published", [{}, {"keys": "all"}])
async def test_what_is_no_list_of_keys_is_no_answer(published):
    async def fetch():
        return published

    keys = SigningKeys(fetch)
    with pytest.raises(SupabaseUnavailable):
        await keys.find("any")


async def test_other_keys_in_the_list_are_passed_over(supabase):
    key = SigningKey()
    rest = [7, {}, {"kid": "a", "alg": "ES256", "kty": "EC", "crv": "P-256", "x": "!", "y": "?"}]
    shared = {"kid": "old", "kty": "oct", "k": base64.urlsafe_b64encode(b"k" * 32).decode()}
    wrong_curve = {
        **jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True)
    }

    async def fetch():
        return {"keys": [*rest, shared, {**wrong_curve, "kid": "curve"}, key.jwk]}

    keys = SigningKeys(fetch)
    assert await keys.find(key.kid) is not None
    assert [await keys.find(it) for it in ("a", "old", "curve")] == [None] * 3
