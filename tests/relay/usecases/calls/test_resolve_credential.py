"""The credential of a request, from its Authorization header."""

from types import SimpleNamespace
from uuid import UUID

import pytest
from fastapi import Request

from relay.identity.credentials import Credential, hash_secret
from relay.usecases.calls.resolve_credential import resolve_credential

KEY, ACCESS_TOKEN, CLASSIC_KEY = "evc_" + "A" * 43, "eva_" + "a" * 43, "0f" * 32
JWT, FOREIGN_JWT = "aa.bb.cc", "aa.bb.dd"
SUPABASE_ID = UUID(int=7)
PERSON = Credential(kind="person", lookup=SUPABASE_ID)


async def resolve(header, *, is_cloud):
    verified = []

    async def verify(token):
        verified.append(token)
        return SUPABASE_ID if token == JWT else None

    headers = [] if header is None else [(b"authorization", header.encode("latin-1"))]
    runtime = SimpleNamespace(verify_supabase_token=verify if is_cloud else None)
    app = SimpleNamespace(state=SimpleNamespace(runtime=runtime))
    return await resolve_credential(Request({"type": "http", "headers": headers, "app": app})), verified


@pytest.mark.parametrize("is_cloud", [True, False])
@pytest.mark.parametrize(
    ("header", "kind", "secret"),
    [
        (f"Bearer {KEY}", "key", KEY),
        (f"bearer   {KEY} ", "key", KEY),
        (f"BEARER {CLASSIC_KEY}", "key", CLASSIC_KEY),
        (f"Bearer {ACCESS_TOKEN}", "access", ACCESS_TOKEN),
    ],
)
async def test_keys_and_access_tokens_are_looked_up_by_their_hash(header, kind, secret, is_cloud):
    credential, verified = await resolve(header, is_cloud=is_cloud)
    assert credential == Credential(kind=kind, lookup=hash_secret(secret))
    assert verified == []


@pytest.mark.parametrize(
    ("header", "is_cloud", "credential", "verified"),
    [
        (f"Bearer {JWT}", True, PERSON, [JWT]),
        (f"Bearer {FOREIGN_JWT}", True, None, [FOREIGN_JWT]),
        (f"Bearer {JWT}", False, None, []),
        (f"Basic {JWT}", True, None, []),
        (JWT, True, None, []),
        ("Bearer a.b", True, None, []),
        ("Bearer", True, None, []),
        ("", True, None, []),
        (None, True, None, []),
        (f"Bearer {KEY}x", True, None, []),
        (f"Bearer {KEY} {KEY}", True, None, []),
        (f"Bearer {CLASSIC_KEY}0", True, None, []),
    ],
)
async def test_a_jwt_is_a_person_where_supabase_has_signed_it(header, is_cloud, credential, verified):
    assert await resolve(header, is_cloud=is_cloud) == (credential, verified)
